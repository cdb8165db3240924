package homie_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/homie"
)

func node(name string, devices ...describe.Device) *describe.Node {
	return &describe.Node{Name: name, Devices: devices}
}

func device(name string, channels ...describe.Channel) describe.Device {
	return describe.Device{Name: name, Driver: "sim", Channels: channels}
}

func channels(names ...string) (list []describe.Channel) {
	for _, n := range names {
		list = append(list, describe.Channel{Name: n, Kind: "gauge", Type: describe.TypeNumber})
	}
	return list
}

// Names that are the same in Homie's ids are refused, with the names that collide.
func TestNamesThatAreTheSameAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		n    *describe.Node
		want string // of the objection: device, channel and part of the problem; "": none
	}{
		"two channels":           {node("barn", device("air", channels("pm2_5", "pm2-5")...)), `air pm2-5 "pm2-5", as pm2_5 is`},
		"by capitals":            {node("barn", device("air", channels("Temp", "temp")...)), `air temp "temp", as Temp is`},
		"two devices":            {node("barn", device("air_1", channels("t")...), device("air-1", channels("t")...)), `air-1  "air-1", as device air_1 is`},
		"nothing is left":        {node("barn", device("++", channels("t")...)), `++  ""`},
		"of different devices":   {node("barn", device("a", channels("t")...), device("b", channels("t")...)), ""},
		"the node itself":        {node("++", device("a", channels("t")...)), `  nothing of "++"`},
		"hyphens at the ends go": {node("barn", device("_a", channels("t")...), device("a_", channels("t")...)), `a_  "a", as device _a is`},
	} {
		var got []string
		for _, o := range homie.Check(c.n, config.Homie{Enabled: true, Version: 5, Domain: "homie"}) {
			got = append(got, o.Device+" "+o.Channel+" "+o.Problem)
		}
		fits := func(s string) bool {
			where, what, _ := strings.Cut(c.want, `"`)
			return strings.HasPrefix(s, strings.TrimSuffix(where, "nothing of ")) && strings.Contains(s, what)
		}
		if c.want == "" && got != nil || c.want != "" && (len(got) == 0 || !fits(got[0])) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// An enum has at least one value, none of them empty and none twice (5.0, "Formats"); what
// cannot be one is a string.
func TestWhatIsAnEnum(t *testing.T) {
	for text, want := range map[string]string{"off,heat": "enum off,heat", "a,,b": "string ", "a,a": "string ", "": "string "} {
		c := describe.Channel{Name: "x", Kind: "state", Type: describe.TypeText}
		if text != "" {
			c.Values = strings.Split(text, ",")
		}
		docs := homie.New(node("barn", device("d", c)), config.Homie{Version: 5, Domain: "homie"}).Documents(1)
		var got string
		for _, d := range docs {
			var v struct {
				Nodes map[string]struct {
					Properties map[string]struct{ Datatype, Format string }
				}
			}
			if d.Topic == "homie/5/barn-d/$description" && json.Unmarshal(d.Payload, &v) == nil {
				p := v.Nodes["channels"].Properties["x"]
				got = p.Datatype + " " + p.Format
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// What gateways have left is found by their marks, and nothing of others is.
func TestWhatGatewaysHaveLeftIsFound(t *testing.T) {
	retained := map[string][]byte{}
	want := map[string]string{}
	for _, version := range []int{4, 5} {
		for _, name := range []string{"barn", "barn-2"} {
			n := node(name, device("air", channels("t", "u")...))
			for _, d := range homie.New(n, config.Homie{Version: version, Domain: "homie"}).Documents(1) {
				retained[d.Topic], want[d.Topic] = append([]byte("1"), d.Payload...)[min(1, len(d.Payload)):], name
			}
		}
	}
	for _, topic := range []string{"homie/kettle/$implementation", "homie/kettle/$homie", "homie/5/kettle/$state", "homie/5/barn-3/$state", "homie/5", "homie", "homie/$broadcast/x", "home/barn/$implementation"} {
		retained[topic] = []byte("esp8266")
	}
	retained["homie/5/kettle/$description"] = []byte(`{"homie":"5.0","version":1,"type":"kettle"}`)
	retained["homie/5/lid/$description"] = []byte(`{"homie":"5.0","version":1,"type":"sensorgate","root":"kettle"}`)
	if got := homie.Found("homie", retained); !maps.Equal(got, want) {
		for topic := range retained {
			if got[topic] != want[topic] {
				t.Errorf("%s is of %q, want %q", topic, got[topic], want[topic])
			}
		}
	}
}

// Whatever is removed, first goes the state, and last what says whose it is.
func TestTheStateGoesFirstAndTheMarkLast(t *testing.T) {
	for _, version := range []int{4, 5} {
		var topics []string
		for _, d := range homie.New(node("barn", device("air", channels("t")...)), config.Homie{Version: version, Domain: "homie"}).Documents(1) {
			topics = append(topics, d.Topic)
		}
		slices.Sort(topics)
		slices.SortStableFunc(topics, func(a, b string) int {
			switch c := (homie.Convention{}); {
			case c.Before(a, b):
				return -1
			case c.Before(b, a):
				return 1
			}
			return 0
		})
		last := map[int]string{4: "homie/barn/$implementation", 5: "homie/5/barn/$description"}[version]
		if !strings.HasSuffix(topics[0], "/$state") || topics[len(topics)-1] != last {
			t.Errorf("%q", topics)
		}
	}
}
