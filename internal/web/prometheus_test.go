package web

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A real Prometheus scrapes with a token and answers queries with the right numbers: of each
// sample that there can be, from a target where none changes, and of the server itself that
// it has every metric.
func TestPrometheusScrapes(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus (Debian package prometheus)")
	}
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	s := newServed(t, func(o *Options) { o.Readings = true })
	srv := httptest.NewServer(s.handler)
	defer srv.Close()
	all, _ := exposition(t)
	fixed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", textFormat)
		_, _ = io.WriteString(w, all) // a fault shows at the queries
	}))
	defer fixed.Close()
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: sensorgate\n  authorization: {credentials_file: %s}\n  static_configs: [{targets: [%q]}]\n- job_name: everything\n  static_configs: [{targets: [%q]}]\n",
		token, strings.TrimPrefix(srv.URL, "http://"), strings.TrimPrefix(fixed.URL, "http://"))
	for path, text := range map[string]string{token: s.view, config: text} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for query, want := range map[string]string{
		`up{job="sensorgate"}`: "1",
		`sensorgate_build_info{version="1.2.3",revision="",job="sensorgate"}`:                                             "1",
		`histogram_quantile(0.5, sensorgate_device_poll_duration_seconds_bucket{job="sensorgate"})`:                       "0.05",
		`sensorgate_journal_sync_duration_seconds_sum{job="sensorgate"} / sensorgate_journal_sync_duration_seconds_count`: "0.05",
		`sum(sensorgate_broker_received_total{job="sensorgate"})`:                                                         "100",
		`count({__name__=~"sensorgate_web_refused_total",job="sensorgate"})`:                                              "7",
	} {
		if got := ask(t, address, query); got != want {
			t.Errorf("%s is %q, want %s", query, got, want)
		}
	}
	everything, names := samples(all)
	for query, want := range everything {
		if got := ask(t, address, query); !sameNumber(got, want) {
			t.Errorf("%s is %q, want %s", query, got, want)
		}
	}
	if len(everything) < 110 {
		t.Errorf("only %d samples were asked for", len(everything))
	}
	// The server itself has every one of these metrics; its history is empty, so it reaches nowhere.
	delete(names, "sensorgate_history_oldest_timestamp_seconds")
	there := fmt.Sprintf(`count(count by (__name__) ({job="sensorgate",__name__=~%q}))`, strings.Join(slices.Sorted(maps.Keys(names)), "|"))
	if got := ask(t, address, there); got != fmt.Sprint(len(names)) {
		t.Errorf("%s of %d metrics are there", got, len(names))
	}
	before := s.counts.requests.Load()
	if got, err := strconv.ParseFloat(ask(t, address, `sensorgate_web_requests_total{job="sensorgate"}`), 64); err != nil || got < 1 || got > float64(s.counts.requests.Load()) || before == 0 {
		t.Errorf("requests are %v, %v, want at most the %d that were made", got, err, s.counts.requests.Load())
	}
}

// samples are all of an exposition: a query for each, and the number that it must have; and
// the names of the metrics.
func samples(exposition string) (queries map[string]string, names map[string]bool) {
	queries, names = map[string]string{}, map[string]bool{}
	for line := range strings.Lines(exposition) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		name, labels, _ := strings.Cut(line[:i], "{")
		if labels = strings.TrimSuffix(labels, "}"); labels != "" {
			labels += ","
		}
		queries[name+"{"+labels+`job="everything"}`] = strings.TrimSpace(line[i:])
		names[name] = true
	}
	return queries, names
}

func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && x == y
}

// ask queries until there is an answer.
func ask(t *testing.T, address, query string) string {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for tick := time.NewTicker(100 * time.Millisecond); time.Now().Before(deadline); <-tick.C {
		r, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			continue
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		var a struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if err == nil && json.Unmarshal(body, &a) == nil && len(a.Data.Result) == 1 {
			return fmt.Sprint(a.Data.Result[0].Value[1])
		}
	}
	return "no answer"
}
