package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sensorgate/internal/web"
)

var metricName = regexp.MustCompile(`\b(sensorgate_\w+|process_\w+)\b`)

// Every metric of the dashboard and of the alerts exists under that name.
func TestDashboardAndAlertsNameMetricsThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, name := range web.MetricNames() {
		known[name] = true
	}
	for _, file := range []string{"grafana/sensorgate.json", "grafana/alerts.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, name := range metricName.FindAllString(string(text), -1) {
			if found++; !known[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		if found < 8 {
			t.Errorf("%s: only %d metrics were found", file, found)
		}
	}
}

func TestDashboardIsAClassicOne(t *testing.T) {
	text, err := os.ReadFile("grafana/sensorgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		ID            *int `json:"id"`
		UID           string
		SchemaVersion int `json:"schemaVersion"`
		Panels        []struct {
			ID         int
			Datasource struct{ UID string }
			Targets    []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 || p.Targets[0].Expr == "" {
			t.Errorf("panel %d", p.ID)
		}
		ids[p.ID] = true
	}
	if board.ID != nil || board.UID == "" || board.SchemaVersion == 0 || len(ids) < 8 {
		t.Errorf("id %v, uid %q, schema %d, %d panels", board.ID, board.UID, board.SchemaVersion, len(ids))
	}
}

func TestAlertRulesPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool (Debian package prometheus)")
	}
	if out, err := exec.Command(promtool, "check", "rules", "grafana/alerts.yml").CombinedOutput(); err != nil || !strings.Contains(string(out), "SUCCESS") {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
