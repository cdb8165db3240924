package gateway

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/mapping"
)

// adapterTask is what the adapter of others is given; adapterFound what it made of it.
type (
	adapterTask struct {
		Documents []adapterMessage `json:"documents"`
		Messages  []adapterMessage `json:"messages"`
	}
	adapterMessage struct {
		Document int    `json:"document"`
		Topic    string `json:"topic"`
		Payload  string `json:"payload"`

		want  drivers.Value
		where string
	}
	adapterFound struct {
		Devices []struct{ Domain, Unit, On, Off string }
		Values  []*string
	}
)

// askAdapter runs npm's iobroker.hass-mqtt, which knows sensors and switches and the
// messages of single entities, on what would be on the broker.
func askAdapter(t *testing.T, task adapterTask) (found adapterFound) {
	t.Helper()
	modules := os.Getenv("NODE_HOMIE")
	if _, err := os.Stat(filepath.Join(modules, "iobroker.hass-mqtt")); modules == "" || err != nil {
		t.Skip("skipped: no adapter of others here (npm install iobroker.hass-mqtt@0.0.7; NODE_HOMIE=…/node_modules)")
	}
	in, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/hassmqtt.js", modules)
	var faults bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &faults
	out, err := cmd.Output()
	if err != nil || json.Unmarshal(out, &found) != nil || len(found.Devices) != len(task.Documents) || len(found.Values) != len(task.Messages) {
		t.Fatalf("the adapter: %v: %.300s\n%s", err, out, faults.Bytes())
	}
	return found
}

// adapterOf is the task of a catalogue: all that is described, and a message of each value
// that a sensor, or a switch of texts, can have.
func adapterOf(t *testing.T, devices []config.Device, payload mapping.Payload) (task adapterTask, units map[int]string) {
	for i := range devices {
		devices[i].Map.Payload, devices[i].Map.PerDevice = payload, false
	}
	n := describe.Of(&config.Config{Node: "n", Devices: devices})
	at, units := map[string]int{}, map[int]string{}
	for i, d := range homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: config.HomeAssistant{Enabled: true, Prefix: "homeassistant", Form: "single", Diagnostics: true}}) {
		task.Documents = append(task.Documents, adapterMessage{Topic: d.Topic, Payload: string(d.Payload)})
		at[d.Topic] = i
	}
	for i := range devices {
		dev := &devices[i]
		for k, c := range dev.Map.Channels {
			below := "/n_" + homeassistant.ID(dev.Name) + "/" + homeassistant.ID(c.Name) + "/config"
			doc, sensor := at["homeassistant/sensor"+below]
			if !sensor {
				var known bool
				if doc, known = at["homeassistant/switch"+below]; !known || dev.Channels[k].Values[0] == "true" {
					continue // a switch takes the state as it comes there, without its template
				}
			} else {
				units[doc] = c.Unit
				text := task.Documents[doc].Payload
				if payload == mapping.Plain && strings.Contains(text, `"value_template"`) || strings.Contains(text, "| string)[") {
					continue // its templates have nothing but JSON, and cut no text of nunjucks
				}
			}
			for _, v := range valuesOf(&dev.Channels[k]) {
				topic, text := publishOne(t, dev, c.Name, v)
				task.Messages = append(task.Messages, adapterMessage{Document: doc, Topic: topic, Payload: text, want: v, where: dev.Name + "." + c.Name})
			}
		}
	}
	return task, units
}

// Somebody else's consumer of the convention, an adapter of ioBroker, finds every sensor and
// every switch of the catalogue, with unit and value, and sends what they are set by.
func TestAnAdapterOfOthersTakesTheCatalogue(t *testing.T) {
	devices := catalogueDevices(t)
	for _, payload := range []mapping.Payload{mapping.JSON, mapping.Plain} {
		task, units := adapterOf(t, devices, payload)
		found := askAdapter(t, task)
		sensors, switches := 0, 0
		for i, d := range found.Devices {
			switch d.Domain {
			case "sensor":
				sensors++
				if want, is := units[i]; is && d.Unit != want && d.Unit != homeAssistantUnit[want] {
					t.Errorf("%s has the unit %q, want %q", task.Documents[i].Topic, d.Unit, want)
				}
			case "switch":
				switches++
				var k struct {
					Topic string `json:"command_topic"`
					On    string `json:"payload_on"`
					Off   string `json:"payload_off"`
				}
				if err := json.Unmarshal([]byte(task.Documents[i].Payload), &k); err != nil || d.On != k.Topic+" "+k.On || d.Off != k.Topic+" "+k.Off {
					t.Errorf("%s is switched by %q and %q (%v)", task.Documents[i].Topic, d.On, d.Off, err)
				}
			}
		}
		if sensors < 2000 || switches < 5 {
			t.Errorf("only %d sensors and %d switches of %d", sensors, switches, len(found.Devices))
		}
		for i, got := range found.Values {
			m := &task.Messages[i]
			if payload == mapping.JSON && found.Devices[m.Document].Domain == "switch" {
				continue
			}
			if got == nil || !sameValue(*got, m.want, found.Devices[m.Document].Domain) {
				t.Errorf("%s: %s is %v, want %v", m.where, m.Payload, got, m.want)
			}
		}
		t.Logf("%d sensors, %d switches, %d values", sensors, switches, len(found.Values))
	}
}

// homeAssistantUnit are the units that are written otherwise there.
var homeAssistantUnit = map[string]string{"l": "L", "l/h": "L/h", "l/min": "L/min", "l/s": "L/s", "ml": "mL"}

func sameValue(got string, want drivers.Value, domain string) bool {
	if f, ok := want.Number(); ok {
		g, err := strconv.ParseFloat(got, 64)
		return err == nil && g == f
	}
	if domain == "switch" {
		return got == map[string]string{"on": "true", "off": "false"}[want.String()]
	}
	return got == want.String()
}
