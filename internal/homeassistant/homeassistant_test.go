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
	registry.Add(drivers.Driver{Name: "panel", Channels: []drivers.Channel{{Name: "mode", Kind: drivers.State, Writable: true}, {Name: "level", Kind: drivers.Gauge, Writable: true}, {Name: "message", Kind: drivers.State, Text: true}},
		Open: func(context.Context, drivers.DeviceConfig) (any, error) { return nil, nil }})
	return config.Load(path, config.Catalogue{Drivers: registry, Conventions: func(c *config.Config) []config.Objection {
		n := describe.Of(c)
		return homeassistant.Check(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})
	}})
}

func texts(problems config.Problems) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p.Text)
	}
	return b.String()
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

		// Texts that the channel never has, and some that it has and that are not listed.
		channel(`shape = "output", options = ["on", "off"]`):                                    `this channel is never "on"`,
		channel(`shape = "switch", options = ["true"]`):                                         `this channel can be "false" as well`,
		channel(`shape = "walk", unit = "W", options = ["low", "high"]`):                        `are numbers, and never "low"`,
		channel(`options = ["a", ""]`):                                                          `an empty text is no value`,
		channel(`options = ["a", "a"]`):                                                         `"a" stands there twice`,
		channel(`options = ["a", "b"], ha = { options = ["a", "b", "c"] }`):                     `this channel is never "c"`,
		channel(`options = ["a", "b", "c"], ha = { options = ["a", "b"] }`):                     `this channel can be "c" as well`,
		channel(`options = ["a", "b", "c"], ha = { options = ["a", "a"] }`):                     `"a" stands there twice`,
		channel(`shape = "switch", ha = { component = "sensor", options = ["true", "false"] }`): `this channel is never "true": for Home Assistant it is on, off`,
		channel(`ha = { options = ["warm", "cold"] }`):                                          `are numbers, and never "warm"`,
		channel(`unit = "W", ha = { options = ["1", "2"] }`):                                    `numbers in W`,

		// A class, a unit, a range or a list at what has none.
		channel(`shape = "switch", ha = { state_class = "measurement" }`):                                             `binary_sensor in Home Assistant, which has no state_class`,
		channel(`shape = "switch", ha = { unit = "W" }`):                                                              `has no unit`,
		channel(`shape = "switch", ha = { options = ["on", "off"] }`):                                                 `has no options`,
		channel(`shape = "output", ha = { min = 1 }`):                                                                 `switch in Home Assistant, which has no min`,
		channel(`unit = "W", ha = { max = 100 }`):                                                                     `sensor in Home Assistant, which has no max`,
		channel(`unit = "W", ha = { step = 1 }`):                                                                      `has no step`,
		channel(`shape = "setpoint", ha = { state_class = "measurement" }`):                                           `number in Home Assistant, which has no state_class`,
		channel(`shape = "output", ha = { component = "lock", device_class = "lock" }`):                               `a lock of Home Assistant has no class`,
		channel(`shape = "output", ha = { device_class = "door" }`):                                                   `a switch of Home Assistant has no class "door"; it has outlet, switch`,
		channel(`options = ["a", "b", "c"], ha = { device_class = "" }`):                                              `of class enum and of no other`,
		channel(`options = ["a", "b", "c"], ha = { device_class = "timestamp" }`):                                     `of class enum and of no other`,
		channel(`ha = { device_class = "timestamp", state_class = "" }`):                                              `a timestamp is a text`,
		channel(`ha = { device_class = "timestamp", unit = "s" }`):                                                    `no unit and no state_class`,
		channel(`unit = "W", ha = { category = "config" }`):                                                           `refuses a sensor of the category config`,
		channel(`shape = "switch", ha = { category = "config" }`):                                                     `refuses a binary_sensor of the category config`,
		channel(`kind = "total", unit = "kWh", ha = { state_class = "measurement" }`):                                 `class energy goes with total, total_increasing, not with measurement`,
		channel(`shape = "setpoint", ha = { device_class = "temperature" }`):                                          `class temperature with the unit ""`,
		"[device.p]\ndriver = \"panel\"\nchannels.message = { ha = { unit = \"W\" } }\n":                              `its values are texts`,
		"[device.p]\ndriver = \"panel\"\nchannels.message = { ha = { device_class = \"humidity\", unit = \"%\" } }\n": `its values are texts`,

		// What a channel cannot be.
		channel(`shape = "switch", ha = { component = "event" }`):                    `said again at each start of Home Assistant`,
		channel(`shape = "output", ha = { component = "number", min = 0, max = 1 }`): `the values of this channel are none`,
		channel(`shape = "setpoint", ha = { component = "select" }`):                 `nobody knows what it can be set to`,
		channel(`shape = "setpoint", ha = { component = "switch" }`):                 `a switch has two states`,
		channel(`unit = "W", ha = { component = "binary_sensor" }`):                  `a binary_sensor has two states`,
		channel(`unit = "W", ha = { component = "device_tracker" }`):                 `expected one of binary_sensor`,
		channel(`shape = "setpoint", from = 5, to = 30, ha = { min = 0 }`):           `what is below 5 is refused by the channel`,
		channel(`shape = "setpoint", from = 5, to = 30, ha = { max = 99 }`):          `what is above 30 is refused by the channel`,
		channel(`ha = { colour = "red" }`):                                           `unknown key`,
		"[device.a]\ndriver = \"sim\"\nchannels.x = {}\nha = { unit = \"W\" }\n":     `unknown key`,
	} {
		c, problems := load(t, "node = \"n\"\n[homeassistant]\n"+toml)
		if c != nil || !strings.Contains(texts(problems), want) {
			t.Errorf("%s\nfound %v\nwant %s", toml, problems, want)
		}
	}
}

// A class that the oldest Home Assistant in use does not know is left out, or it would refuse
// the entity; one that the file names stays. Before 2024.11 there are no messages of devices.
func TestAnOlderHomeAssistantIsSparedWhatItDoesNotKnow(t *testing.T) {
	channels := "[device.a]\ndriver = \"sim\"\n[device.a.channels]\nreactive = { unit = \"kvarh\", kind = \"total\" }\nwind_direction = { unit = \"°\" }\npm4 = { unit = \"µg/m³\", ha = { device_class = \"pm4\" } }\n"
	for oldest, want := range map[string][3]bool{
		"":                                       {true, true, true}, // reactive energy, wind direction, messages of devices
		`oldest = "2026.1"`:                      {true, true, true},
		`oldest = "2025.6.3"`:                    {false, true, true},
		`oldest = "2024.12"`:                     {false, false, true},
		`oldest = "2024.6"`:                      {false, false, false},
		`form = "single"`:                        {false, false, false},
		"oldest = \"2026.1\"\nform = \"single\"": {true, true, false},
	} {
		c, problems := load(t, "node = \"n\"\n[homeassistant]\n"+oldest+"\n"+channels)
		if c == nil {
			t.Fatal(problems)
		}
		n := describe.Of(c)
		var all, topics strings.Builder
		for _, d := range homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant}) {
			all.Write(d.Payload)
			topics.WriteString(d.Topic)
		}
		has := func(s string) bool { return strings.Contains(all.String(), s) }
		got := [3]bool{has(`"device_class":"reactive_energy"`), has(`"device_class":"wind_direction"`) && has(`"measurement_angle"`), strings.Contains(topics.String(), "/device/")}
		if got != want || !has(`"device_class":"pm4"`) {
			t.Errorf("%s: %v, want %v: %s", oldest, got, want, all.String())
		}
	}
	for toml, want := range map[string]string{
		`oldest = "now"`:                         `a version of Home Assistant`,
		"oldest = \"2024.6\"\nform = \"device\"": `does not know messages of devices`,
	} {
		if c, problems := load(t, "node = \"n\"\n[homeassistant]\n"+toml+"\n"+channels); c != nil || !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v", toml, problems)
		}
	}
}

// What Home Assistant takes and shows otherwise than one may expect is a warning.
func TestCheckWarnsOfWhatHomeAssistantShowsOtherwise(t *testing.T) {
	channel := func(rest string) string {
		return "[device.a]\ndriver = \"sim\"\n[device.a.channels]\nx = { " + rest + " }\n"
	}
	for toml, want := range map[string]string{
		channel(`class = "humidity", unit = "°C"`):                                         `class humidity goes with %, not with the unit "°C": there it is temperature`,
		channel(`shape = "setpoint", from = 5, to = 30, ha = { min = 15, max = 25 }`):      `would ignore a value outside of 15 to 25, and the channel goes from 5 to 30`,
		channel(`class = "battery", unit = "V"`):                                           ``,
		channel(`shape = "setpoint", unit = "°C", ha = { device_class = "temperature" }`):  ``,
		channel(`options = ["b", "a", "c"], ha = { options = ["a", "b", "c"] }`):           ``,
		channel(`ha = { options = ["1", "2"] }`):                                           ``,
		channel(`shape = "output", ha = { category = "config", device_class = "outlet" }`): ``,
		channel(`shape = "output", options = ["false", "true"]`):                           ``,
	} {
		c, problems := load(t, "node = \"n\"\n[homeassistant]\n"+toml)
		if c == nil || want == "" && len(problems) > 0 || !strings.Contains(texts(problems), want) {
			t.Errorf("%s\nfound %v\nwant %q", toml, problems, want)
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
