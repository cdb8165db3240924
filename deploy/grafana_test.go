package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

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
