package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homeassistant/hatest"
	"sensorgate/internal/mapping"
	"sensorgate/internal/timing"
)

// catalogueDevices are a device of every driver, of every model, and of every class of a
// contact and an output.
func catalogueDevices(t *testing.T) []config.Device {
	t.Helper()
	hw := NewHardware(slog.New(slog.NewTextHandler(io.Discard, nil)))
	var devices []config.Device
	for _, name := range hw.Registry.Names() {
		d, err := hw.Registry.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		devices = append(devices, bareDevice(d))
	}
	var text strings.Builder
	text.WriteString("node = \"n\"\n")
	for _, class := range []string{"switch", "contact", "door", "window", "gate", "garage", "lock", "float", "leak", "motion", "presence", "vibration", "smoke", "alarm", "tamper", "fault", "power", "running", "button"} {
		fmt.Fprintf(&text, "[device.in_%s]\ndriver = \"input\"\ngpio = \"in%s\"\nclass = %q\n", class, class, class)
	}
	for _, class := range []string{"switch", "relay", "light", "pump", "fan", "heater", "siren", "valve", "lock"} {
		fmt.Fprintf(&text, "[device.out_%s]\ndriver = \"output\"\ngpio = \"out%s\"\nclass = %q\n", class, class, class)
	}
	models := config.Models(hw.Catalogue(), t.TempDir())
	for i, m := range models {
		fmt.Fprintf(&text, "[device.m%d]\nmodel = %q\n%sserial = { port = \"/dev/ttyS%d\" }\n", i, m.Name, unitOnALine(hw.Catalogue(), m.Name), i)
	}
	if len(models) < 100 {
		t.Fatalf("only %d models", len(models))
	}
	devices = append(devices, loadText(t, text.String(), hw).Devices...)
	for i := range devices {
		m := &devices[i].Map
		m.Node, m.TopicTemplate = "n", "{node}/{device}/{channel}"
		for k := range m.Channels {
			m.Channels[k].Payload, m.Channels[k].Filters.When = "", nil
		}
	}
	return devices
}

// bareDevice is a device of a driver as if it had been configured without a word.
func bareDevice(d drivers.Driver) config.Device {
	known := d.Channels
	if d.ChannelOptions != nil {
		known = []drivers.Channel{{Name: "quantity"}}
		if o, ok := d.ChannelOptions().(drivers.Outputter); ok {
			known = o.Outputs()
			for i := range known {
				known[i].Name = fmt.Sprintf("quantity%d", i)
			}
		}
	}
	if d.Options != nil {
		if o, ok := d.Options().(drivers.Outputter); ok && len(o.Outputs()) > 0 {
			known = o.Outputs()
		}
	}
	dev := config.Device{Name: "d-" + d.Name, Driver: d, Channels: known, Config: drivers.DeviceConfig{Every: d.Every}}
	dev.Map = mapping.Device{Name: dev.Name, QoS: 1}
	for _, c := range known {
		dev.Map.Channels = append(dev.Map.Channels, mapping.Channel{Name: c.Name, Unit: c.Unit, Kind: c.Kind, Writable: c.Writable, Retain: c.Kind == drivers.State})
		dev.Described.Channels = append(dev.Described.Channels, config.DescribedChannel{})
	}
	return dev
}

func loadText(t *testing.T, text string, hw *Hardware) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(path, hw.Catalogue())
	if c == nil {
		t.Fatalf("%v\n%s", problems, text)
	}
	return c
}

// payloads are the ways in which readings are published.
var payloads = []struct {
	name    string
	payload mapping.Payload
	device  bool
}{
	{"json", mapping.JSON, false},
	{"plain", mapping.Plain, false},
	{"json template", `{"v":[{value}],"t":"{time}"}`, false},
	{"text in json", `{"v":"x {value} y","t":"{time}"}`, false},
	{"line", `{device} {channel}={value} end`, false},
	{"device", mapping.JSON, true},
}

// Every driver, every model and every channel of the catalogue is described so that Home
// Assistant takes it, and its templates find in real payloads what was published.
func TestHomeAssistantTakesTheWholeCatalogue(t *testing.T) {
	devices := catalogueDevices(t)
	for _, p := range payloads {
		if (timing.Race || testing.Short()) && p.name != "json" && p.name != "device" {
			continue // make test has them all
		}
		t.Run(p.name, func(t *testing.T) {
			for i := range devices {
				devices[i].Map.Payload, devices[i].Map.PerDevice = p.payload, p.device
			}
			judgeCatalogue(t, devices)
		})
	}
}

// For versions before 2024.11 nothing of the catalogue has a class that they do not know.
func TestOldVersionsOfHomeAssistantTakeTheWholeCatalogue(t *testing.T) {
	n := describe.Of(&config.Config{Node: "n", Devices: catalogueDevices(t)})
	judge := hatest.Judge{Prefix: "homeassistant"}
	for _, d := range homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: config.HomeAssistant{Enabled: true, Prefix: "homeassistant", Form: "single", Diagnostics: true}}) {
		judge.Message(d.Topic, d.Payload)
	}
	if len(judge.Entities) < 2000 {
		t.Errorf("only %d entities", len(judge.Entities))
	}
	for _, f := range judge.Faults {
		t.Error(f)
	}
}

func judgeCatalogue(t *testing.T, devices []config.Device) {
	n := describe.Of(&config.Config{Node: "n", Devices: devices})
	opt := homeassistant.Options{HomeAssistant: config.HomeAssistant{Enabled: true, Prefix: "homeassistant", Form: "device", Diagnostics: true}}
	for _, o := range homeassistant.Check(&n, opt) {
		t.Errorf("check: %s.%s: %s", o.Device, o.Channel, o.Problem)
	}
	judge := hatest.Judge{Prefix: "homeassistant"}
	docs := homeassistant.Documents(&n, opt)
	for _, d := range docs {
		judge.Message(d.Topic, d.Payload)
		if len(d.Payload) >= 128<<10 {
			t.Errorf("%s has %d bytes", d.Topic, len(d.Payload))
		}
	}
	for _, f := range judge.Faults {
		t.Error(f)
	}
	rendered := renderCatalogue(t, devices, judge.Entities)
	t.Logf("%d documents, %d entities, %d templates rendered", len(docs), len(judge.Entities), rendered)
}

// renderCatalogue compares what templates find with what was published, for all entities
// that are a channel. It reports how many it rendered.
func renderCatalogue(t *testing.T, devices []config.Device, entities []hatest.Config) int {
	byID := map[string]*hatest.Config{}
	for i := range entities {
		byID[entities[i].Text("unique_id")] = &entities[i]
	}
	var templates []hatest.Template
	var wants []func(got string) string
	for i := range devices {
		dev := &devices[i]
		for k, c := range dev.Map.Channels {
			e := byID["n_"+homeassistant.ID(dev.Name)+"_"+homeassistant.ID(c.Name)]
			if e == nil {
				t.Errorf("%s.%s has no entity", dev.Name, c.Name)
				continue
			}
			for _, v := range valuesOf(&dev.Channels[k]) {
				topic, payload := publishOne(t, dev, c.Name, v)
				if e.Platform == "button" {
					continue // it has no state
				}
				if e.Text("state_topic") != topic {
					t.Errorf("%s.%s is published on %s and described on %s", dev.Name, c.Name, topic, e.Text("state_topic"))
				}
				templates = append(templates, hatest.Template{Template: e.Text("value_template"), Payload: payload, This: "before"})
				wants = append(wants, wrong(dev.Name+"."+c.Name, e, v, payload))
			}
			if dev.Map.PerDevice && e.Platform != "button" {
				templates = append(templates, hatest.Template{Template: e.Text("value_template"), Payload: `{"values":{"` + c.Name + `":null,"__other":1},"time":"2026-11-23T03:00:00.123Z"}`, This: "before"},
					hatest.Template{Template: e.Text("value_template"), Payload: `{"values":{"__other":1},"time":"2026-11-23T03:00:00.123Z"}`, This: "before"})
				keeps := func(got string) string {
					if got != "" && got != "before" {
						return fmt.Sprintf("%s.%s: without a value in the message it becomes %q", dev.Name, c.Name, got)
					}
					return ""
				}
				wants = append(wants, keeps, keeps)
			}
		}
	}
	for i, got := range hatest.Render(t, templates) {
		if fault := wants[i](got); fault != "" {
			t.Error(fault)
		}
	}
	return len(templates)
}

// valuesOf are values that a channel can have.
func valuesOf(c *drivers.Channel) []drivers.Value {
	if len(c.Values) == 2 && c.Values[0] == "true" {
		return []drivers.Value{drivers.Bool(true), drivers.Bool(false)}
	}
	if len(c.Values) > 0 {
		var vs []drivers.Value
		for _, v := range c.Values {
			vs = append(vs, drivers.Text(v))
		}
		return vs
	}
	if c.Text {
		return []drivers.Value{drivers.Text("it's a \"text\" {{ x }}")}
	}
	return []drivers.Value{drivers.Number(21.5), drivers.Number(0), drivers.Number(-1e-7)}
}

func publishOne(t *testing.T, dev *config.Device, channel string, v drivers.Value) (topic, payload string) {
	t.Helper()
	at := time.Date(2026, 11, 23, 3, 0, 0, 123e6, time.UTC)
	rs := []drivers.Reading{{Device: dev.Name, Channel: channel, Value: v, Time: at}, {Device: dev.Name, Channel: "__end", Value: drivers.Bool(true), Time: at}}
	if !dev.Map.PerDevice {
		rs = rs[:1]
	}
	ms := mapping.New(dev.Map).Messages(rs, true)
	if len(ms) == 0 {
		t.Fatalf("%s.%s: nothing is published", dev.Name, channel)
	}
	return ms[0].Topic, string(ms[0].Payload)
}

// wrong returns what is wrong with what a template has rendered, "" if nothing.
func wrong(where string, e *hatest.Config, v drivers.Value, payload string) func(got string) string {
	return func(got string) string {
		want := v.String()
		if b, ok := v.Bool(); ok {
			want = map[bool]string{true: "on", false: "off"}[b]
		}
		switch e.Platform {
		case "event":
			var ev struct {
				Type string `json:"event_type"`
			}
			if json.Unmarshal([]byte(got), &ev) == nil && ev.Type == want {
				return ""
			}
		case "binary_sensor":
			if got == want && (got == e.Text("payload_on") || got == e.Text("payload_off")) {
				return ""
			}
		case "switch", "valve", "lock":
			for _, key := range []string{"state_on", "state_off", "state_open", "state_closed", "state_locked", "state_unlocked"} {
				if got == want && got == e.Text(key) {
					return ""
				}
			}
		default:
			if got == want {
				return ""
			}
			if f, ok := v.Number(); ok {
				if g, err := strconv.ParseFloat(got, 64); err == nil && g == f {
					return ""
				}
			}
		}
		return fmt.Sprintf("%s: a %s renders %q of %s, want %q (%s)", where, e.Platform, got, payload, want, e.Text("value_template"))
	}
}
