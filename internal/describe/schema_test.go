package describe_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/describe"
	"sensorgate/internal/mapping"
)

const garden = `
[device.garden]
driver = "sim"
[device.garden.channels]
door = { shape = "switch" }
rain = { shape = "walk", from = 0, to = 9, unit = "mm", payload = "plain" }
wind = { shape = "walk", from = 0, to = 9, unit = "m/s", payload = '{"v":{value}}' }
`

// Every message that the mapping makes is one that the schema describes, every topic has one,
// and what the schema excludes is found out.
func TestMessagesMatchTheSchema(t *testing.T) {
	c := load(t, pump+attic+garden)
	n := describe.Of(c)
	schema := plain(t, n.Schema())
	topics := schema["properties"].(map[string]any)
	for _, topic := range n.Topics() {
		if topics[topic.Topic] == nil {
			t.Errorf("%s has no schema", topic.Topic)
		}
	}
	if len(topics) != len(n.Topics()) {
		t.Errorf("%d schemas, %d topics", len(topics), len(n.Topics()))
	}
	now := time.Unix(1_800_000_000, 0)
	tried := 0
	for _, d := range c.Devices {
		var readings []drivers.Reading
		for _, ch := range d.Map.Channels {
			v := drivers.Number(4)
			if info, _ := n.Device(d.Name); info != nil {
				if described, _ := info.Channel(ch.Name); described.Type == describe.TypeBoolean {
					v = drivers.Bool(true)
				}
			}
			readings = append(readings, drivers.Reading{Device: d.Name, Channel: ch.Name, Value: v, Unit: ch.Unit, Time: now})
		}
		for _, synced := range []bool{true, false} {
			for _, m := range mapping.New(d.Map).Messages(readings, synced) {
				tried++
				var payload any
				if err := json.Unmarshal(m.Payload, &payload); err != nil {
					t.Errorf("%s: %v in %s", m.Topic, err, m.Payload)
				}
				if fault := check(topics[m.Topic], payload); fault != "" {
					t.Errorf("%s: %s: %s", m.Topic, m.Payload, fault)
				}
			}
		}
	}
	if tried < 12 {
		t.Errorf("only %d messages were tried", tried)
	}
	for topic, payload := range map[string]string{
		"barn/pump/power": `{"value":4,"unit":"kW","time":"2026-11-30T00:00:00Z"}`, "barn/attic": `{"values":{"temperature":500},"time":"2026-11-30T00:00:00Z"}`,
		"barn/garden/door": `{"value":4,"time":"2026-11-30T00:00:00Z"}`, "barn/garden/rain": `true`, "barn/status": `"away"`, "barn/pump/status": `{"state":"well"}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(payload), &v); err != nil {
			t.Fatal(err)
		}
		if check(topics[topic], v) == "" {
			t.Errorf("%s takes %s", topic, payload)
		}
	}
}

func plain(t *testing.T, v any) (out map[string]any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check looks at a value with the few words of JSON Schema that are used.
func check(schema, v any) string {
	s, ok := schema.(map[string]any)
	if !ok {
		return "no schema"
	}
	kinds := map[reflect.Kind]string{reflect.Float64: "number", reflect.Bool: "boolean", reflect.String: "string", reflect.Map: "object"}
	kind := kinds[reflect.ValueOf(v).Kind()]
	for word, want := range s {
		bad := false
		switch word {
		case "type":
			list, several := want.([]any)
			bad = !several && want != kind || several && !slices.Contains(list, any(kind))
		case "enum":
			bad = !slices.Contains(want.([]any), v)
		case "const":
			bad = want != v
		case "minimum":
			bad = v.(float64) < want.(float64)
		case "maximum":
			bad = v.(float64) > want.(float64)
		case "required":
			for _, name := range want.([]any) {
				_, has := v.(map[string]any)[name.(string)]
				bad = bad || !has
			}
		case "properties":
			for name, of := range want.(map[string]any) {
				if member, has := v.(map[string]any)[name]; has {
					if fault := check(of, member); fault != "" {
						return name + ": " + fault
					}
				}
			}
		case "allOf":
			for _, of := range want.([]any) {
				bad = bad || check(of, v) != ""
			}
		case "title", "description", "format", "anyOf":
		default:
			return "what is " + word + "?"
		}
		if bad {
			return fmt.Sprintf("%s %v", word, want)
		}
	}
	return ""
}
