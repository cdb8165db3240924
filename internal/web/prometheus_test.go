package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A real Prometheus scrapes with a token and answers queries with the right numbers.
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
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: sensorgate\n  authorization: {credentials_file: %s}\n  static_configs: [{targets: [%q]}]\n", token, strings.TrimPrefix(srv.URL, "http://"))
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
		`up{job="sensorgate"}`:                                                                          "1",
		`sensorgate_build_info{version="1.2.3",revision=""}`:                                            "1",
		`histogram_quantile(0.5, sensorgate_device_poll_duration_seconds_bucket)`:                       "0.05",
		`sensorgate_journal_sync_duration_seconds_sum / sensorgate_journal_sync_duration_seconds_count`: "0.05",
		`sum(sensorgate_broker_received_total)`:                                                         "100",
		`count({__name__=~"sensorgate_web_refused_total"})`:                                             "7",
	} {
		if got := ask(t, address, query); got != want {
			t.Errorf("%s is %q, want %s", query, got, want)
		}
	}
	asked := 0
	for query, want := range samples(t) {
		if asked++; !sameNumber(ask(t, address, query), want) {
			t.Errorf("%s is %q, want %s", query, ask(t, address, query), want)
		}
	}
	if asked < 80 {
		t.Errorf("only %d metrics were asked for", asked)
	}
}

// samples are those of testdata/metrics.txt, but for what this test itself changes (its
// own scrapes) and the history, which is empty here.
func samples(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "sensorgate_web") || strings.HasPrefix(line, "sensorgate_history") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		all[line[:i]] = strings.TrimSpace(line[i:])
	}
	return all
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
