package mapping

import (
	"encoding/json"
	"testing"

	"sensorgate/drivers"
)

// A text that a device sends cannot break or extend the JSON of a payload template.
func TestPayloadTemplateIsJSONWhateverTheDeviceSends(t *testing.T) {
	evil := drivers.Text(`1,"admin":true} "\` + "\n\x00")
	for _, c := range []struct {
		payload Payload
		value   drivers.Value
		want    string
	}{
		{`{"v":{value},"d":1}`, evil, `{"v":"1,\"admin\":true} \"\\\n\u0000","d":1}`},
		{`{"v":"{value}","d":1}`, evil, `{"v":"1,\"admin\":true} \"\\\n\u0000","d":1}`},
		{`{"v":"is \"{value}\"","d":{unit}}`, drivers.Text(`"`), `{"v":"is \"\"\"","d":"V\"x"}`},
		{`{"v":{value},"ok":{time_synced},"t":{time},"ms":{unix_ms}}`, drivers.Number(21.5), `{"v":21.5,"ok":true,"t":"2026-11-23T03:00:00.123Z","ms":1795402800123}`},
		{`["{channel}",{value}]`, drivers.Bool(true), `["c",true]`},
		{` "{value}"`, drivers.Text(`a"b`), ` "a\"b"`},
		// Not JSON: as they are.
		{`{value}`, drivers.Text(`a"b`), `a"b`},
		{`{"v":{value}`, drivers.Text(`a"b`), `{"v":a"b`},
		{`c,unit={unit} value="{value}"`, drivers.Text(`a\b`), `c,unit=V"x value="a\b"`},
	} {
		m := New(Device{Name: "d", Node: "n", TopicTemplate: "{node}/{device}/{channel}", Channels: []Channel{{Name: "c", Unit: `V"x`, Payload: c.payload}}})
		got := m.Messages([]drivers.Reading{reading("c", c.value, epoch)}, true)
		if len(got) != 1 || string(got[0].Payload) != c.want {
			t.Errorf("%s is published as %s, want %s", c.payload, payloads(got), c.want)
		}
	}
}

func TestPayloadTemplateOfADeviceIsJSON(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{node}/{device}/{channel}", PerDevice: true,
		Payload: `{"a":{a},"b":"{b}","c":{c}}`, Channels: []Channel{{Name: "a"}, {Name: "b"}, {Name: "c"}}})
	got := m.poll([]drivers.Reading{reading("a", drivers.Text(`","x":"`), epoch), reading("b", drivers.Text(`","x":"`), epoch)}, true)
	want := `{"a":"\",\"x\":\"","b":"\",\"x\":\"","c":null}`
	if len(got) != 1 || string(got[0].Payload) != want {
		t.Errorf("published %s, want %s", payloads(got), want)
	}
}

func FuzzPayloadTemplate(f *testing.F) {
	f.Add(`{"v":{value},"u":"{unit}"}`, `a"b`, "V")
	f.Add(`[{value}]`, "\xff\\", `"`)
	f.Fuzz(func(t *testing.T, template, value, unit string) {
		p := parsePayloadTemplate(template)
		got := p.expand(nil, func(name string) (variable, bool) {
			switch name {
			case "value":
				return textVariable(value), true
			case "unit":
				return textVariable(unit), true
			}
			return literalVariable("1"), true
		})
		if p.json && !json.Valid(got) {
			t.Errorf("%q with %q and %q is not JSON: %s", template, value, unit, got)
		}
	})
}
