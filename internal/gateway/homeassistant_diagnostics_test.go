package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/describe"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homeassistant/hatest"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// The templates of a device's diagnostics, on what is really published: nothing of them is
// undefined, which Home Assistant would note in its log at every message.
func TestDiagnosticsAreRenderedWithoutAWarning(t *testing.T) {
	c := loadText(t, "node = \"n\"\n[homeassistant]\n[device.d]\ndriver = \"sim\"\nchannels.x = { shape = \"output\" }\n", NewHardware(quiet))
	n := describe.Of(c)
	judge := hatest.Judge{Prefix: "homeassistant"}
	for _, d := range homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant}) {
		judge.Message(d.Topic, d.Payload)
	}
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	set := mqtt.Message{Topic: "n/d/x/set", Payload: []byte("on")}
	result := func(err error) string { return string(mapping.Result(&set, "", err, now)[0].Payload) }
	status := func(h drivers.Health) string { return string(mapping.Status(c.Devices[0].Map, h).Payload) }
	failing := drivers.Health{State: drivers.Failing, Error: "no answer", Since: now}
	wants := map[string]map[string]string{ // by entity and payload what it becomes
		"n_d___result_x": {result(nil): "done", result(errors.New("no")): "failed: no"},
		"n_d___error":    {status(drivers.Health{State: drivers.OK}): "none", status(failing): "no answer"},
		"n_d___state":    {status(drivers.Health{State: drivers.OK}): "ok", status(failing): "failing"},
	}
	var templates []hatest.Template
	var want []string
	for i := range judge.Entities {
		e := &judge.Entities[i]
		for payload, text := range wants[e.Text("unique_id")] {
			templates = append(templates, hatest.Template{Template: e.Text("value_template"), Payload: payload})
			want = append(want, text)
			available := e.Keys["availability"].([]any)
			if len(available) != 1 || strings.Contains(available[0].(map[string]any)["topic"].(string), "/d/") {
				t.Errorf("%s is available only while the device is: %v", e.Text("unique_id"), available)
			}
		}
	}
	if len(want) != 6 {
		t.Fatalf("%d templates", len(want))
	}
	for i, got := range hatest.Render(t, templates) {
		if got != want[i] {
			t.Errorf("%s on %s is %q, want %q", templates[i].Template, templates[i].Payload, got, want[i])
		}
	}
}
