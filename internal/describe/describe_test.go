package describe_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/sim"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
)

// thermometer is a driver that declares a range.
var thermometer = drivers.Driver{
	Name: "thermometer", Summary: "an invented thermometer", Every: 30 * time.Second,
	Channels: []drivers.Channel{{Name: "temperature", Unit: "°C", Min: -40, Max: 85}},
	Open:     func(context.Context, drivers.DeviceConfig) (any, error) { return nil, nil },
}

func describeText(t *testing.T, text string) describe.Node {
	t.Helper()
	return describe.Of(load(t, text))
}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := new(drivers.Registry)
	registry.Add(sim.Driver())
	registry.Add(thermometer)
	c, problems := config.Load(path, config.Catalogue{Drivers: registry})
	if c == nil {
		t.Fatal(problems)
	}
	return c
}

const pump = `
node = "barn"
[device.pump]
driver = "sim"
every = "5s"
class = "pump"
[device.pump.channels]
state = { shape = "output" }
power = { shape = "walk", from = 0, to = 10, unit = "W", deadband = 1, at_least = "1m", digits = 1 }
`

const attic = `
[device.attic]
driver = "thermometer"
publish = "device"
[device.attic.channels]
temperature = { scale = 1.8, offset = 32, unit = "°F" }
`

// `sensorgate topics` lists every topic: those of the devices in the order of the file, then
// the gateway's own.
func TestTopics(t *testing.T) {
	n := describeText(t, pump+attic)
	want := []describe.Topic{
		{Topic: "barn/pump/state", Device: "pump", Channel: "state", Use: "readings", QoS: 1, Retain: true},
		{Topic: "barn/pump/state/set", Device: "pump", Channel: "state", Use: "commands", QoS: 1},
		{Topic: "barn/pump/state/set/result", Device: "pump", Channel: "state", Use: "results", QoS: 1},
		{Topic: "barn/pump/power", Device: "pump", Channel: "power", Use: "readings", Unit: "W", QoS: 1},
		{Topic: "barn/pump/status", Device: "pump", Use: "status", QoS: 1, Retain: true},
		{Topic: "barn/attic", Device: "attic", Use: "readings", QoS: 1},
		{Topic: "barn/attic/status", Device: "attic", Use: "status", QoS: 1, Retain: true},
		{Topic: "barn/status", Use: "status", QoS: 1, Retain: true},
		{Topic: "barn/gateway/state", Use: "state", QoS: 1, Retain: true},
		{Topic: "barn/gateway/config/error", Use: "errors", QoS: 1, Retain: true},
	}
	if got := n.Topics(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDescription(t *testing.T) {
	n := describeText(t, pump+attic)
	d, ok := n.Device("pump")
	if !ok || n.StatusTopic != "barn/status" || d.StatusTopic != "barn/pump/status" || d.Class != "pump" || d.Every != 5 {
		t.Fatalf("the pump is %+v", d)
	}
	state, _ := d.Channel("state")
	if state == nil || !state.Writable || state.Kind != "state" || state.SetTopic != "barn/pump/state/set" || state.ResultTopic != "barn/pump/state/set/result" || !state.Retain {
		t.Errorf("the state is %+v", state)
	}
	power, _ := d.Channel("power")
	if power == nil || power.Every != 60 || power.Unit != "W" || *power.Digits != 1 || power.Topic != "barn/pump/power" || power.SetTopic != "" {
		t.Errorf("the power is %+v", power)
	}
}

// The range is that of what is published, in its unit.
func TestRangeIsBehindTheFilters(t *testing.T) {
	n := describeText(t, pump+attic)
	d, _ := n.Device("attic")
	c, _ := d.Channel("temperature")
	if c == nil || c.Range == nil || *c.Range != [2]float64{-40, 185} || c.Topic != "" || d.Topic != "barn/attic" {
		t.Errorf("the attic is %+v with %+v", d, c)
	}
}

func TestDiffReportsWhatAReloadChanged(t *testing.T) {
	before := describeText(t, pump)
	after := describeText(t, pump+attic)
	if c := describe.Diff(before, after); !slices.Equal(c.Added, []string{"attic"}) || len(c.Changed)+len(c.Removed) != 0 {
		t.Errorf("added: %+v", c)
	}
	if c := describe.Diff(after, before); !slices.Equal(c.Removed, []string{"attic"}) || len(c.Changed)+len(c.Added) != 0 {
		t.Errorf("removed: %+v", c)
	}
	moved := describeText(t, "topic = \"x/{node}/{device}/{channel}\"\n"+pump)
	if c := describe.Diff(before, moved); !slices.Equal(c.Changed, []string{"pump"}) {
		t.Errorf("changed: %+v", c)
	}
}
