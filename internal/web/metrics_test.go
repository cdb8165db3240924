package web

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/timing"
)

// Both formats pass the judge of Prometheus.
func TestMetricsPassPromtool(t *testing.T) {
	s := newServed(t, func(o *Options) { o.Readings = true })
	w := s.ask("loopback", "GET", "/metrics", "")
	for _, want := range []string{
		`sensorgate_device_up{device="pump"} 1`, `sensorgate_spool_messages{upstream="cloud"} 3`,
		`sensorgate_reading{device="pump",channel="power",unit="W"} 21.5`, `sensorgate_readings_total{device="pump"} 7`, `sensorgate_build_info{version="1.2.3"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	open := s.ask("loopback", "GET", "/metrics", "", func(r *http.Request) { r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0") })
	if !strings.HasSuffix(open.Body.String(), "# EOF\n") || !strings.Contains(open.Body.String(), "# TYPE sensorgate_readings counter") {
		t.Errorf("OpenMetrics: %s", open.Body)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool (Debian package prometheus)")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = w.Body
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Labels cannot break the format.
func TestMetricsEscapeLabels(t *testing.T) {
	f := gauge("x", "a\nb", "")
	f.Add(1, "device", "a\"b\\c\nd")
	var b bytes.Buffer
	WriteMetrics(&b, []Family{f}, false)
	if want := "# HELP sensorgate_x a\\nb\n# TYPE sensorgate_x gauge\nsensorgate_x{device=\"a\\\"b\\\\c\\nd\"} 1\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// A thousand series cost at most 2 ms.
func TestMetricsAreCheap(t *testing.T) {
	timing.Judged(t)
	var fs []Family
	for i := range 100 {
		f := gauge(fmt.Sprint("m", i), "help", "")
		for j := range 10 {
			f.Add(float64(j)*1.5, "device", fmt.Sprint("device", j))
		}
		fs = append(fs, f)
	}
	best := time.Hour
	for range 20 {
		var b bytes.Buffer
		start := time.Now()
		WriteMetrics(&b, fs, false)
		best = min(best, time.Since(start))
	}
	if best > 2*time.Millisecond {
		t.Errorf("1,000 series took %s", best)
	}
	t.Logf("1,000 series in %s", best)
}
