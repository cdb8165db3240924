package mapping

import (
	"encoding/json"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

func digits(n int) *int { return &n }

func reading(channel string, v drivers.Value, at time.Time) drivers.Reading {
	return drivers.Reading{Device: "d", Channel: channel, Value: v, Time: at}
}

// payloads are what a failure shows.
func payloads(ms []mqtt.Message) (out []string) {
	for _, m := range ms {
		out = append(out, m.Topic+" "+string(m.Payload))
	}
	return out
}

func TestPayloads(t *testing.T) {
	r := drivers.Reading{Channel: "temperature", Value: drivers.Number(21.4249), Unit: "°C", Time: epoch}
	for _, c := range []struct {
		name    string
		payload Payload
		synced  bool
		quality drivers.Quality
		want    string
	}{
		{"json is the default", "", true, drivers.Good, `{"value":21.42,"unit":"°C","time":"2026-11-23T03:00:00.123Z"}`},
		{"clock not set", JSON, false, drivers.Good, `{"value":21.42,"unit":"°C","time":"2026-11-23T03:00:00.123Z","time_synced":false}`},
		{"reservation", JSON, true, drivers.Uncertain, `{"value":21.42,"unit":"°C","time":"2026-11-23T03:00:00.123Z","quality":"uncertain"}`},
		{"plain", Plain, true, drivers.Good, `21.42`},
		{"template", `{"v":{value},"t":{unix_ms},"id":"{node}/{device}/{channel}"}`, true, drivers.Good, `{"v":21.42,"t":1795402800123,"id":"n/d/temperature"}`},
		{"influx", `{device} {channel}={value} {unix}`, true, drivers.Good, `d temperature=21.42 1795402800`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(Device{Name: "d", Node: "n", TopicTemplate: "{node}/{device}/{channel}", QoS: 1,
				Channels: []Channel{{Name: "temperature", Unit: "°C", Payload: c.payload, QoS: 1, Filters: Filters{Digits: digits(2)}}}})
			r.Quality = c.quality
			got := m.Messages([]drivers.Reading{r}, c.synced)
			if len(got) != 1 || string(got[0].Payload) != c.want {
				t.Fatalf("got %s, want %s", payloads(got), c.want)
			}
			if got[0].Topic != "n/d/temperature" || got[0].QoS != 1 || got[0].Retain {
				t.Errorf("message is %+v", got[0])
			}
		})
	}
}

func TestValuesInJSON(t *testing.T) {
	for _, c := range []struct {
		v    drivers.Value
		want string
	}{
		{drivers.Number(0), "0"},
		{drivers.Number(-12), "-12"},
		{drivers.Number(1e-9), "1e-09"},
		{drivers.Number(123456789.5), "123456789.5"},
		{drivers.Bool(true), "true"},
		{drivers.Text("open"), `"open"`},
		{drivers.Text("a\"b\\c\n\x00é"), `"a\"b\\c\n\u0000é"`},
		{drivers.Text("bad \xff utf-8"), `"bad \ufffd utf-8"`},
	} {
		got := appendJSONValue(nil, c.v)
		if string(got) != c.want {
			t.Errorf("%v is written %s, want %s", c.v, got, c.want)
		}
		if !json.Valid(got) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

// publish = "device": one message per poll, also when hardware that speaks first
// hands its readings over one by one.
func TestTogether(t *testing.T) {
	dev := Device{Name: "gps", Node: "n", TopicTemplate: "{node}/{device}/{channel}", PerDevice: true,
		Channels: []Channel{{Name: "lat"}, {Name: "lon"}, {Name: "alt", Unit: "m"}}}
	m := New(dev)
	fix := func(at time.Time) []drivers.Reading {
		return []drivers.Reading{reading("lat", drivers.Number(52.1), at), reading("lon", drivers.Number(13.4), at), reading("alt", drivers.Number(38), at)}
	}
	want := `{"values":{"lat":52.1,"lon":13.4,"alt":38},"units":{"alt":"m"},"time":"2026-11-23T03:00:00.123Z"}`
	got := m.Messages(fix(epoch), true)
	if len(got) != 1 || got[0].Topic != "n/gps" || string(got[0].Payload) != want {
		t.Fatalf("a poll gives %s", payloads(got))
	}
	var single []mqtt.Message
	for _, r := range fix(epoch) {
		single = append(single, m.Messages([]drivers.Reading{r}, true)...)
	}
	if len(single) != 1 || string(single[0].Payload) != want {
		t.Fatalf("a report in three parts gives %s", payloads(single))
	}
}

// A fix without altitude is published when no more of it comes, or with the next.
func TestIncompleteReport(t *testing.T) {
	m := New(Device{Name: "gps", Node: "n", TopicTemplate: "{node}/{device}/{channel}", PerDevice: true,
		Channels: []Channel{{Name: "lat"}, {Name: "lon"}, {Name: "alt"}}})
	if got := m.Messages([]drivers.Reading{reading("lat", drivers.Number(1), epoch)}, true); got != nil {
		t.Fatalf("published half a report: %s", payloads(got))
	}
	at, ok := m.Next()
	if !ok || at.Sub(epoch) > 100*time.Millisecond {
		t.Fatalf("Next is %v %v", at, ok)
	}
	if got := m.Tick(at, true); len(got) != 1 {
		t.Fatalf("Tick gives %s", payloads(got))
	}
	m.Messages([]drivers.Reading{reading("lat", drivers.Number(2), epoch.Add(time.Second))}, true)
	if got := m.Messages([]drivers.Reading{reading("lat", drivers.Number(3), epoch.Add(2*time.Second))}, true); len(got) != 1 {
		t.Errorf("the next report does not push out the last: %s", payloads(got))
	}
	if got := m.Flush(true); len(got) != 1 {
		t.Errorf("a stop loses the held report: %s", payloads(got))
	}
}

// `when` looks at the other channels of the same report, in whatever order they come.
func TestWhen(t *testing.T) {
	dev := Device{Name: "scale", Node: "n", TopicTemplate: "{channel}", Payload: Plain,
		Channels: []Channel{{Name: "state"}, {Name: "weight", Filters: Filters{When: map[string]string{"state": "ST"}}}}}
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		m := New(dev)
		var weights []string
		for i, state := range []string{"US", "ST", "US"} {
			at := epoch.Add(time.Duration(i) * time.Second)
			rs := []drivers.Reading{reading("state", drivers.Text(state), at), reading("weight", drivers.Number(float64(i)), at)}
			for _, k := range order {
				for _, msg := range m.Messages(rs[k:k+1], true) {
					if msg.Topic == "weight" {
						weights = append(weights, string(msg.Payload))
					}
				}
			}
		}
		if len(weights) != 1 || weights[0] != "1" {
			t.Errorf("order %v: weights %v, want only the stable one", order, weights)
		}
	}
}

// A door that nobody touches says again that it is closed; a thermometer that died
// does not say again how warm it was.
func TestAtLeastRepeatsStatesOnly(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{channel}", Payload: Plain, Channels: []Channel{
		{Name: "door", Kind: drivers.State, Filters: Filters{AtLeast: time.Minute}},
		{Name: "temperature", Filters: Filters{AtLeast: time.Minute}},
	}})
	m.Messages([]drivers.Reading{reading("door", drivers.Text("closed"), epoch), reading("temperature", drivers.Number(20), epoch)}, true)
	at, ok := m.Next()
	if !ok || at.Sub(epoch) != time.Minute {
		t.Fatalf("Next is %v %v, want a minute later", at.Sub(epoch), ok)
	}
	got := m.Tick(at, true)
	if len(got) != 1 || got[0].Topic != "door" || string(got[0].Payload) != "closed" {
		t.Errorf("after a minute: %s", payloads(got))
	}
	if at2, _ := m.Next(); at2.Sub(at) != time.Minute {
		t.Errorf("the next repetition comes after %v", at2.Sub(at))
	}
}

// Hardware that speaks first, as a meter that sends every second: with every = "10s" its first reading goes out
// at once and not after ten seconds.
func TestFirstReadingIsPublishedAtOnce(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{channel}", Payload: Plain,
		Channels: []Channel{{Name: "power", Filters: Filters{Every: 10 * time.Second}}}})
	for _, c := range []struct{ second, want int }{{0, 1}, {1, 0}, {5, 0}, {10, 1}} {
		got := m.Messages([]drivers.Reading{reading("power", drivers.Number(float64(c.second)), epoch.Add(time.Duration(c.second)*time.Second))}, true)
		if len(got) != c.want {
			t.Errorf("after %d s: %q, want %d", c.second, payloads(got), c.want)
		}
	}
}

// The last state must win over the throttle: a door may not stay open forever
// because it was closed too soon.
func TestThrottleKeepsTheLastState(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{channel}", Payload: Plain,
		Channels: []Channel{{Name: "door", Kind: drivers.State, Filters: Filters{Every: 10 * time.Second}}}})
	m.Messages([]drivers.Reading{reading("door", drivers.Text("open"), epoch)}, true)
	if got := m.Messages([]drivers.Reading{reading("door", drivers.Text("closed"), epoch.Add(time.Second))}, true); got != nil {
		t.Fatalf("the throttle let through %s", payloads(got))
	}
	at, ok := m.Next()
	if !ok {
		t.Fatal("nothing is due")
	}
	if got := m.Tick(at, true); len(got) != 1 || string(got[0].Payload) != "closed" {
		t.Errorf("at %v: %s", at.Sub(epoch), payloads(got))
	}
	if _, ok := m.Next(); ok {
		t.Error("something is still due")
	}
}

func TestUnforeseenChannels(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{node}/{channel}", QoS: 1})
	got := m.Messages([]drivers.Reading{reading("new", drivers.Number(1), epoch), reading("a/+", drivers.Number(1), epoch)}, true)
	if len(got) != 1 || got[0].Topic != "n/new" || got[0].QoS != 1 {
		t.Errorf("got %s", payloads(got))
	}
	for i := range 3 * maxChannels {
		m.Messages([]drivers.Reading{reading(string(rune('一'+i)), drivers.Number(1), epoch)}, true)
	}
	if len(m.channels) > maxChannels {
		t.Errorf("a talkative device made %d channels", len(m.channels))
	}
}

func TestTopics(t *testing.T) {
	d := Device{Name: "grid", Node: "pi", Bus: "meters", Model: "sdm630", Class: "meter", TopicTemplate: "{node}/{bus}/{device}/{channel}",
		Channels: []Channel{{Name: "power", Unit: "W", TopicTemplate: "energy/{class}/{model}/{unit}"}, {Name: "state"}}}
	for got, want := range map[string]string{
		d.Topic("power"):       "energy/meter/sdm630/W",
		d.Topic("state"):       "pi/meters/grid/state",
		d.SetTopic("state"):    "pi/meters/grid/state/set",
		d.ResultTopic("state"): "pi/meters/grid/state/set/result",
		d.StatusTopic():        "pi/grid/status",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	d.PerDevice = true
	if got := d.Topic("state"); got != "pi/meters/grid" {
		t.Errorf("together on %s", got)
	}
	if got := d.SetTopic("state"); got != "pi/meters/grid/state/set" {
		t.Errorf("commands on %s", got)
	}
}

// What is shown of a channel is what is published of it, also while a deadband holds it
// back: with scale and offset, rounded, in its unit.
func TestSeenIsWhatIsPublished(t *testing.T) {
	m := New(Device{Name: "d", Node: "n", TopicTemplate: "{node}/{device}/{channel}",
		Channels: []Channel{{Name: "pressure", Unit: "hPa", Filters: Filters{Scale: 0.01, Offset: 0.25, Digits: digits(1), Deadband: 5}}}})
	var raws, shown []string
	m.Seen = func(raw, published drivers.Reading) {
		raws = append(raws, raw.Value.String()+" "+raw.Unit)
		shown = append(shown, published.Value.String()+" "+published.Unit)
	}
	var sent []string
	m.Published = func(rs []Sample) { sent = append(sent, rs[0].Value.String()) }
	published := 0
	for i, x := range []float64{101325.612, 101425.612} {
		r := reading("pressure", drivers.Number(x), epoch.Add(time.Duration(i)*time.Minute))
		r.Unit = "Pa"
		published += len(m.Messages([]drivers.Reading{r}, true))
	}
	if len(sent) != 1 || sent[0] != "1013.5" {
		t.Errorf("published %q, want the first only: the deadband holds the second back", sent)
	}
	if published != 1 || len(shown) != 2 || shown[0] != "1013.5 hPa" || shown[1] != "1014.5 hPa" || raws[0] != "101325.612 Pa" {
		t.Errorf("shown %q of %q, %d published", shown, raws, published)
	}
}
