package web

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/history"
	"sensorgate/internal/timing"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// ownMetrics takes what is about this process and this build out of an exposition.
func ownMetrics(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "process_") && !strings.Contains(line, "sensorgate_build_info{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// filledHistory is a history of which every figure is another.
func filledHistory() history.Stats {
	st := history.Stats{Series: 5, MemoryBytes: 111, MemoryLimit: 8 << 20, DiskBytes: 3 << 20, DiskLimit: 64 << 20, Written: 777, Lost: 4, Damaged: 2}
	for i, tier := range []string{"raw", "minutes", "quarters"} {
		st.Oldest[i] = history.Reach{Tier: tier, From: testNow.Add(-time.Duration(i+1) * time.Hour)}
	}
	return st
}

// exposition is everything that a gateway can report, in both formats.
func exposition(t *testing.T) (text, open string) {
	t.Helper()
	s := newServed(t, func(o *Options) { o.Readings = true })
	s.ask("stranger", "GET", api+"/status", "")
	s.ask("stranger", "POST", api+"/login", `{"user":"ann","password":"x"}`)
	s.ask("stranger", "POST", api+"/login", `{"user":"ann","password":"a-pw"}`)
	s.ask("loopback", "GET", api+"/status", "", func(r *http.Request) { r.Host = "evil.example" })
	past := filledHistory()
	fs := slices.DeleteFunc(s.families(), func(f Family) bool { return strings.HasPrefix(f.Name, "sensorgate_history") })
	fs = append(fs, historyFamilies(&past)...) // the store of this test is empty
	var a, b bytes.Buffer
	WriteMetrics(&a, fs, false)
	WriteMetrics(&b, fs, true)
	return a.String(), b.String()
}

// Every metric there is, with the number that it must have: testdata/metrics.txt.
func TestEveryMetricHasTheRightNumber(t *testing.T) {
	text, _ := exposition(t)
	if got := ownMetrics(text); *update {
		if err := os.WriteFile("testdata/metrics.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want, err := os.ReadFile("testdata/metrics.txt"); err != nil || got != string(want) {
		t.Errorf("%v; metrics are\n%s\nif that is right: go test ./internal/web -run EveryMetric -update", err, got)
	}
	for _, own := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", `sensorgate_build_info{version="1.2.3"`} {
		if !strings.Contains(text, "\n"+own) {
			t.Errorf("missing: %s", own)
		}
	}
}

// Both formats pass the judge of Prometheus.
func TestMetricsPassPromtool(t *testing.T) {
	text, open := exposition(t)
	if !strings.HasSuffix(open, "# EOF\n") || !strings.Contains(open, "# TYPE sensorgate_readings counter\n") || !strings.Contains(open, "# UNIT sensorgate_spool_bytes bytes\n") {
		t.Errorf("OpenMetrics: %s", open)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool (Debian package prometheus)")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// OpenMetrics 1.0, "Unit": a family that has a unit ends with it; a counter's family is
// named without _total.
func TestOpenMetricsNamesEndWithTheirUnit(t *testing.T) {
	_, open := exposition(t)
	for line := range strings.Lines(open) {
		f := strings.Fields(line)
		if len(f) == 4 && f[1] == "UNIT" && !strings.HasSuffix(f[2], "_"+f[3]) {
			t.Errorf("%s has the unit %s", f[2], f[3])
		}
		if len(f) == 4 && f[1] == "TYPE" && strings.HasSuffix(f[2], "_total") {
			t.Errorf("%s is a family's name", f[2])
		}
	}
}

var metricName = regexp.MustCompile(`\b(sensorgate_\w+|process_\w+)\b`)

// Every metric of the dashboard and of the alerts exists under that name, with the labels
// that it is asked with.
func TestDashboardAndAlertsNameMetricsThatExist(t *testing.T) {
	text, _ := exposition(t)
	known := map[string]bool{}
	for line := range strings.Lines(text) {
		if name := metricName.FindString(line); !strings.HasPrefix(line, "#") {
			known[name] = true
		}
	}
	for _, file := range []string{"sensorgate.json", "alerts.yml"} {
		text, err := os.ReadFile("../../deploy/grafana/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, name := range metricName.FindAllString(string(text), -1) {
			if found[name] = true; !known[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		if len(found) < 12 {
			t.Errorf("%s: only %d metrics were found", file, len(found))
		}
	}
}

// docs/http-api.md names every family and no other, in the short form of its table: what
// begins with _ goes on after the first part of the row's first name.
func TestTheManualNamesEveryFamily(t *testing.T) {
	text, _ := exposition(t)
	text += "# TYPE sensorgate_reading gauge\n" // opt-in
	page, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	_, rows, _ := strings.Cut(string(page), "| about | metrics |\n")
	rows, _, _ = strings.Cut(rows, "\n\n")
	quoted := regexp.MustCompile("`([a-z_]+)(\\{[a-z,]+\\})?`")
	for row := range strings.Lines(rows) {
		part := ""
		for _, m := range quoted.FindAllStringSubmatch(row, -1) {
			name := m[1]
			if part == "" {
				part, _, _ = strings.Cut(name, "_")
			}
			switch {
			case strings.HasPrefix(name, "_"):
				documented[part+name] = true
			case strings.Contains(name, "_") || name == "reading":
				documented[name] = true // a label's value has no _
			}
		}
	}
	exposed := map[string]bool{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" && strings.HasPrefix(f[2], "sensorgate_") {
			exposed[strings.TrimPrefix(f[2], "sensorgate_")] = true
		}
	}
	for name := range exposed {
		if !documented[name] {
			t.Errorf("docs/http-api.md does not name %s", name)
		}
	}
	for name := range documented {
		if !exposed[name] {
			t.Errorf("docs/http-api.md names %s, which does not exist", name)
		}
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
