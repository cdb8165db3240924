package framing

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

func column(n int) *int { return &n }

func lineConfigs(channels map[string]*LineChannel) (configs []drivers.ChannelConfig) {
	for name, o := range channels {
		configs = append(configs, drivers.ChannelConfig{Name: name, Options: o})
	}
	return configs
}

func TestWaysToFindAValueInText(t *testing.T) {
	var text field.Type
	if err := text.UnmarshalText([]byte("text")); err != nil {
		t.Fatal(err)
	}
	least := 0.0
	for _, c := range []struct {
		what     string
		options  Text
		channels map[string]*LineChannel
		line     string
		want     string // of the values, or of the error
	}{
		{"named groups", Text{Match: regexp.MustCompile(`T=(?P<temperature>\S+) H=(?P<humidity>\S+)`)}, nil, "T=21.5 H=40", "map[humidity:40 temperature:21.5]"},
		{"a group under another name", Text{Match: regexp.MustCompile(`T=(?P<t>\S+)`)}, map[string]*LineChannel{"attic": {Selector: Selector{Group: "t"}}}, "T=21.5", "map[attic:21.5]"},
		{"no match", Text{Match: regexp.MustCompile(`^T=(?P<t>\d+)$`)}, nil, "U=1", `"U=1" does not match`},
		{"an alternative that was not taken", Text{Match: regexp.MustCompile(`A(?P<a>\d)|B(?P<b>\d)`)}, nil, "B7", "map[b:7]"},
		{"columns", Text{}, map[string]*LineChannel{"second": {Selector: Selector{Column: column(2)}}}, "1, 2.5 ,3", "map[second:2.5]"},
		{"columns with another separator", Text{Separator: ";"}, map[string]*LineChannel{"third": {Selector: Selector{Column: column(3)}}}, "1;2,5;3,5", "map[third:3.5]"},
		{"too few columns", Text{}, map[string]*LineChannel{"fifth": {Selector: Selector{Column: column(5)}}}, "1,2", "column 5 asked for, the line has 2"},
		{"JSON", Text{}, map[string]*LineChannel{"t": {Selector: Selector{JSON: "sensor.1.t"}}, "on": {Selector: Selector{JSON: "on"}}, "id": {Selector: Selector{JSON: "id"}}},
			`{"sensor":[{"t":1},{"t":-2.5}],"on":true,"id":"x7"}`, "map[id:x7 on:true t:-2.5]"},
		{"JSON without it", Text{}, map[string]*LineChannel{"t": {Selector: Selector{JSON: "a.b.c"}}}, `{"a":[1]}`, "map[]"},
		{"not JSON", Text{}, map[string]*LineChannel{"t": {Selector: Selector{JSON: "a"}}}, "hello", "is not JSON"},
		{"JSON object", Text{}, map[string]*LineChannel{"t": {Selector: Selector{JSON: "a"}}}, `{"a":{}}`, "not a value"},
		{"key and value", Text{}, map[string]*LineChannel{"t": {Selector: Selector{Key: "TEMP"}}}, "TEMP= 21.5", "map[t:21.5]"},
		{"pairs", Text{Pair: regexp.MustCompile(`^(?P<key>\w+): (?P<value>\S+)`)}, map[string]*LineChannel{"t": {Selector: Selector{Key: "T"}}}, "T: 5 C", "map[t:5]"},
		{"text that looks like a number", Text{}, map[string]*LineChannel{"tag": {Selector: Selector{Column: column(1)}, Type: text}}, "00123", "map[tag:00123]"},
		{"skipped", Text{Skip: regexp.MustCompile(`^#`), Match: regexp.MustCompile(`(?P<a>\d)`)}, nil, "# 5", "map[]"},
		{"implausible", Text{}, map[string]*LineChannel{"t": {Selector: Selector{Column: column(1)}, Value: field.Value{Min: &least}}}, "-5", "outside the plausible range"},
		{"a word for a number", Text{}, map[string]*LineChannel{"t": {Selector: Selector{Column: column(1)}, Value: field.Value{Scale: 2}}}, "ERR", "is not a number"},
		{"words with names", Text{}, map[string]*LineChannel{"t": {Selector: Selector{Column: column(1)}, Value: field.Value{Map: map[string]string{"ON": "true"}}}}, "ON", "map[t:true]"},
		{"a word without a name", Text{}, map[string]*LineChannel{"t": {Selector: Selector{Column: column(1)}, Value: field.Value{Map: map[string]string{"ON": "true"}}}}, "OUT", "no name for"},
	} {
		for name, o := range c.channels {
			if err := o.Check(); err != nil {
				t.Fatal(c.what, name, err)
			}
		}
		got, errs := decodeAll(newTextDecoder(c.options, textFields(lineConfigs(c.channels))), c.line)
		said := fmt.Sprint(got)
		if errs != nil {
			said = fmt.Sprint(errs)
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: got %s, want %s", c.what, said, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("T=21.5 H=40"))
	f.Add([]byte(`{"a":[{"b":1e999}],"c":"x"}`))
	f.Add([]byte("1,,-,+ 5,0x1F\r\nK=V\r\n"))
	d := newTextDecoder(Text{Match: regexp.MustCompile(`^(?P<m>[^,]*)`)}, textFields(lineConfigs(map[string]*LineChannel{
		"m": {}, "c": {Selector: Selector{Column: column(2)}}, "j": {Selector: Selector{JSON: "a.0.b"}}, "k": {Selector: Selector{Key: "K"}},
	})))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var h Results
		d.Decode(frame, &h)
		for _, r := range h.Readings {
			if !r.Value.Valid() {
				t.Errorf("%q: channel %s without a value", frame, r.Channel)
			}
		}
	})
}
