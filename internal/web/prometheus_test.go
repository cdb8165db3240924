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
		`sensorgate_device_up{device="pump"}`:                        "1",
		`sensorgate_spool_messages{upstream="cloud"}`:                "3",
		`sensorgate_reading{device="pump",channel="power",unit="W"}`: "21.5",
		`sensorgate_readings_total`:                                  "7",
		`up{job="sensorgate"}`:                                       "1",
	} {
		if got := ask(t, address, query); got != want {
			t.Errorf("%s is %q, want %s", query, got, want)
		}
	}
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
