package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/history"
)

func TestHistoryOverHTTP(t *testing.T) {
	s := newServed(t, nil)
	for i := range 100 {
		s.gateway.store.Add("pump/power", history.Number, testNow.Add(time.Duration(i)*time.Second), history.Value{Number: float64(i)})
	}
	s.gateway.store.Add(StateSeries("pump", "power"), history.State, testNow, history.Value{State: "ok"})
	s.gateway.store.Add(StateSeries("pump", "power"), history.State, testNow.Add(time.Minute), history.Value{State: "failing: no answer"})
	var h History
	w := s.ask("loopback", "GET", api+"/devices/pump/channels/power/history?from=2026-11-30T08:00:00Z&to=2026-11-30T09:00:00Z", "")
	if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
		t.Fatal(err)
	}
	if len(h.Points) != 100 || h.Every != 0 || h.Points[99] != (Point{float64(testNow.Unix() + 99), 99, 99, 99, 99, 1}) {
		t.Errorf("%d points, the last %v", len(h.Points), h.Points[len(h.Points)-1])
	}
	if len(h.Gaps) != 2 || h.Gaps[1].State != "failing: no answer" {
		t.Errorf("gaps: %v", h.Gaps)
	}
	for query, want := range map[string]int{
		"from=1h&every=1m&to=2026-11-30T09:00:00Z": 200, "from=yesterday": 400, "every=1ms": 400, "from=400d&every=1s": 400, "max=1": 400, "zone=Mars/Olympus": 400, "from=7d&zone=Europe/Berlin&every=24h": 200,
	} {
		if w := s.ask("loopback", "GET", api+"/devices/pump/channels/power/history?"+query, ""); w.Code != want {
			t.Errorf("%s: %d %s, want %d", query, w.Code, w.Body, want)
		}
	}
	if w := s.ask("loopback", "GET", api+"/history.csv", ""); strings.Count(w.Body.String(), "\n") != 103 {
		t.Errorf("CSV: %s", w.Body)
	}
}
