package gateway

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sensorgate/internal/mqtt"
)

const homieDevices = `
[device.Pump_2]
driver = "sim"
every = "100ms"
[device.Pump_2.channels]
state = { shape = "output" }
target = { shape = "setpoint", from = 5, to = 30, unit = "°C" }
pm2_5 = { shape = "walk", to = 10, unit = "µg/m³", digits = 1 }
`

var homieID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Version 4: every required attribute is there, ids are valid, and each property listed has
// a value that fits its type (4.0.0, "Device attributes", "Node attributes", "Property attributes").
func TestHomie4IsComplete(t *testing.T) {
	g := makeGatewayOn(t, withSequence(), "[homie]\nversion = 4\n"+homieDevices)
	w := watchBroker(t, g, "homie/#") // before it says its first word
	g.start()
	w.until(t, "ready with values", func(w *watcher) bool {
		return w.retained["homie/barn/$state"] == "ready" && w.retained["homie/barn/pump-2/pm2-5"] != ""
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[0].Topic != "homie/barn/$state" || string(w.seen[0].Payload) != "init" {
		t.Errorf("the first word is %s = %s", w.seen[0].Topic, w.seen[0].Payload)
	}
	get := func(topic string) string { return w.retained["homie/barn/"+topic] }
	if get("$homie") != "4.0.0" || get("$name") != "barn" || get("$nodes") != "pump-2" {
		t.Errorf("homie %q name %q nodes %q", get("$homie"), get("$name"), get("$nodes"))
	}
	for node := range strings.SplitSeq(get("$nodes"), ",") {
		for property := range strings.SplitSeq(get(node+"/$properties"), ",") {
			at := node + "/" + property
			if !homieID.MatchString(node) || !homieID.MatchString(property) || get(at+"/$name") == "" || get(at) == "" {
				t.Errorf("%s: name %q, value %q", at, get(at+"/$name"), get(at))
			}
			switch kind := get(at + "/$datatype"); kind {
			case "boolean":
				if v := get(at); v != "true" && v != "false" {
					t.Errorf("%s is %q", at, v)
				}
			case "float":
				var f float64
				if err := json.Unmarshal([]byte(get(at)), &f); err != nil {
					t.Errorf("%s is %q", at, get(at))
				}
			default:
				t.Errorf("%s is a %q", at, kind)
			}
		}
	}
	if get("pump-2/target/$format") != "5:30" || get("pump-2/target/$settable") != "true" || get("pump-2/target/$unit") != "°C" {
		t.Errorf("target: format %q settable %q unit %q", get("pump-2/target/$format"), get("pump-2/target/$settable"), get("pump-2/target/$unit"))
	}
}

// Version 5: each device that is announced has a description with its children, and what
// is refused leaves the old value.
func TestHomie5IsComplete(t *testing.T) {
	g := startGateway(t, "[homie]\nversion = 5\n"+homieDevices)
	w := watchBroker(t, g, "homie/5/#")
	const value = "homie/5/barn-pump-2/channels/target"
	w.until(t, "ready", func(w *watcher) bool {
		return w.retained["homie/5/barn/$state"] == "ready" && w.retained["homie/5/barn-pump-2/$state"] == "ready" && w.retained[value] != ""
	})
	var root, child struct {
		Homie        string
		Version      int
		Children     []string
		Parent, Root string
		Nodes        map[string]struct {
			Properties map[string]struct {
				Datatype, Format, Unit string
				Settable               bool
			}
		}
	}
	w.mu.Lock()
	for text, into := range map[string]any{w.retained["homie/5/barn/$description"]: &root, w.retained["homie/5/barn-pump-2/$description"]: &child} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	w.mu.Unlock()
	if root.Homie != "5.0" || root.Version == 0 || !slices.Equal(root.Children, []string{"barn-pump-2"}) || child.Parent != "barn" || child.Root != "barn" {
		t.Errorf("root %+v, child %+v", root, child)
	}
	if p := child.Nodes["channels"].Properties["target"]; p.Datatype != "float" || p.Format != "5:30" || !p.Settable || p.Unit != "°C" {
		t.Errorf("target is %+v", p)
	}
	g.publish(mqtt.Message{Topic: value + "/set", Payload: []byte("21"), QoS: 1})
	w.until(t, "set", func(w *watcher) bool { return w.retained[value] == "21" })
	g.publish(mqtt.Message{Topic: value + "/set", Payload: []byte("22"), QoS: 1, Retain: true})
	g.publish(mqtt.Message{Topic: value + "/set", Payload: []byte("99"), QoS: 1})
	n := 0
	w.until(t, "the old value is said again", func(w *watcher) bool {
		n = 0
		for _, m := range w.seen {
			if m.Topic == value && string(m.Payload) == "21" {
				n++
			}
		}
		return n > 2 && w.retained[value] == "21"
	})
	g.publish(mqtt.Message{Topic: value + "/set", Retain: true})
	version := root.Version
	g.reload("[homie]\nversion = 5\n" + strings.Replace(homieDevices, "pm2_5", "pm1", 1))
	w.until(t, "another description", func(w *watcher) bool {
		return json.Unmarshal([]byte(w.retained["homie/5/barn/$description"]), &root) == nil && root.Version > version && w.retained["homie/5/barn-pump-2/channels/pm2-5"] == ""
	})
	g.reload(homieDevices)
	w.until(t, "nothing is left", func(w *watcher) bool { return len(w.retained) == 0 })
}

// At an upstream Homie has a connection of its own, whose will says lost; what is turned
// off goes there, too.
func TestHomieAtAnUpstream(t *testing.T) {
	home := startGatewayOn(t, NewHardware(quiet), "anonymous = true\n")
	w := watchBroker(t, home, "homie/#")
	file := func(homie string) string {
		return fmt.Sprintf("%s\n[bridge.up]\nurls = [\"mqtt://%s\"]\nprefix = \"x/\"\nrules = [ { dir = \"in\", local = \"y\" } ]\n%s", homie, home.broker.Addrs()[0], homieDevices)
	}
	g := startGateway(t, file("[homie]\nversion = 5\nbridges = [\"up\"]"))
	w.until(t, "ready there", func(w *watcher) bool {
		return w.retained["homie/5/barn/$state"] == "ready" && w.retained["homie/5/barn-pump-2/channels/target"] != ""
	})
	home.publish(mqtt.Message{Topic: "homie/5/barn-pump-2/channels/target/set", Payload: []byte("23"), QoS: 1})
	w.until(t, "set from there", func(w *watcher) bool { return w.retained["homie/5/barn-pump-2/channels/target"] == "23" })
	g.conventions.homieNow().connections[0].bridge.SetOffline(true)
	w.until(t, "lost by will", func(w *watcher) bool { return w.retained["homie/5/barn/$state"] == "lost" })
	g.conventions.homieNow().connections[0].bridge.SetOffline(false)
	w.until(t, "ready again", func(w *watcher) bool { return w.retained["homie/5/barn/$state"] == "ready" })
	g.reload(file(""))
	w.until(t, "nothing is left there", func(w *watcher) bool { return len(w.retained) == 0 })
}
