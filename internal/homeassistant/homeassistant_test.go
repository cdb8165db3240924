package homeassistant_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/sim"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/timing"
)

func load(t *testing.T, text string) (*config.Config, config.Problems) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := new(drivers.Registry)
	registry.Add(sim.Driver())
	registry.Add(drivers.Driver{Name: "panel", Channels: []drivers.Channel{{Name: "mode", Kind: drivers.State, Writable: true}, {Name: "level", Kind: drivers.Gauge, Writable: true}},
		Open: func(context.Context, drivers.DeviceConfig) (any, error) { return nil, nil }})
	return config.Load(path, config.Catalogue{Drivers: registry, Conventions: func(c *config.Config) []config.Objection {
		n := describe.Of(c)
		return homeassistant.Check(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})
	}})
}

// What Home Assistant would refuse without a word, check refuses with the reason.
func TestCheckRefusesWhatHomeAssistantWouldRefuse(t *testing.T) {
	channel := func(rest string) string {
		return "[device.a]\ndriver = \"sim\"\n[device.a.channels]\nx = { " + rest + " }\n"
	}
	for toml, want := range map[string]string{
		channel(`unit = "W", ha = { device_class = "energy" }`):                    `refuses class energy with the unit "W"; it allows J,`,
		channel(`unit = "lux", ha = { unit = "lux" }`):                             `refuses class illuminance with the unit "lux"`,
		channel(`ha = { device_class = "temprature" }`):                            `no class "temprature"`,
		channel(`unit = "kWh", kind = "total", ha = { state_class = "meas" }`):     `found "meas", expected one of measurement`,
		channel(`unit = "W", ha = { state_class = "total_increasing" }`):           `class power goes with measurement, not with total_increasing`,
		channel(`unit = "m", ha = { state_class = "measurement_angle" }`):          `measurement_angle is for degrees`,
		channel(`options = ["a", "b"], ha = { component = "sensor", unit = "W" }`): `no unit and no state_class`,
		channel(`ha = { component = "switch" }`):                                   `a switch takes commands, and this channel does not`,
		channel(`ha = { component = "lamp" }`):                                     `found "lamp", expected one of binary_sensor, button`,
		channel(`ha = { icon = "gauge" }`):                                         `an icon has its collection before it`,
		channel(`shape = "setpoint", ha = { min = 50, max = 5 }`):                  `the smallest value, 50, is not below the largest, 5`,
		channel(`shape = "setpoint", ha = { step = 0.0001 }`):                      `refuses less than 0.001`,
		channel(`payload = "{time};{value}"`):                                      `cannot find the value`,
		"[device.a-b]\ndriver = \"sim\"\nchannels.x = {}\n[device.\"a.b\"]\ndriver = \"sim\"\nchannels.x = {}\n[device.\"a:b\"]\ndriver = \"sim\"\nchannels.x = {}\n": `the identifier`,
		"[device.p]\ndriver = \"panel\"\n": `has to know which numbers it can be set to`,
	} {
		c, problems := load(t, "node = \"n\"\n[homeassistant]\n"+toml)
		if c != nil || !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s\nfound %v\nwant %s", toml, problems, want)
		}
	}
}

// What can be set and nobody knows to what is shown, and said.
func TestAStateThatCanBeSetToNobodyKnowsWhat(t *testing.T) {
	c, problems := load(t, "node = \"n\"\n[homeassistant]\n[device.p]\ndriver = \"panel\"\nchannels.level = { ha = { min = 0, max = 10 } }\n")
	if c == nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "nobody knows what it can be set to") {
		t.Fatalf("%v", problems)
	}
	n := describe.Of(c)
	docs := string(homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})[1].Payload)
	for _, want := range []string{`"level":{`, `"platform":"number"`, `"min":0`, `"max":10`} {
		if !strings.Contains(docs, want) {
			t.Errorf("there is no %s in %s", want, docs)
		}
	}
}

// A thousand channels of ten devices are described within a second, each document below
// the 128 KiB at which brokers in clouds begin to refuse.
func TestAThousandChannelsAreDescribedInASecond(t *testing.T) {
	timing.Judged(t)
	var text strings.Builder
	text.WriteString("node = \"n\"\n[homeassistant]\n")
	for d := range 10 {
		fmt.Fprintf(&text, "[device.d%d]\ndriver = \"sim\"\n[device.d%d.channels]\n", d, d)
		for c := range 100 {
			fmt.Fprintf(&text, "power_of_something_%d = { unit = \"W\", digits = 1 }\n", c)
		}
	}
	c, problems := load(t, text.String())
	if c == nil {
		t.Fatal(problems)
	}
	start := time.Now()
	n := describe.Of(c)
	docs := homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})
	took := time.Since(start)
	most := 0
	for _, d := range docs {
		most = max(most, len(d.Payload))
	}
	if took > time.Second || most >= 128<<10 {
		t.Errorf("%d documents in %v, the largest has %d bytes", len(docs), took, most)
	}
	t.Logf("%d documents in %v, the largest has %d bytes", len(docs), took, most)
}
