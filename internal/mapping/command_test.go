package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

var pump = Device{Name: "pump", Node: "pi", TopicTemplate: "{node}/{device}/{channel}",
	Channels: []Channel{{Name: "state", Writable: true}, {Name: "hours"}}}

func TestParseCommand(t *testing.T) {
	expiry := &mqtt.PublishProperties{HasExpiry: true, MessageExpiry: 10}
	for _, c := range []struct {
		name, topic, payload string
		props                *mqtt.PublishProperties
		value, id            string
		expires              time.Duration // after the arrival
		wrong                string
	}{
		{name: "bare", payload: "on", value: "on"},
		{name: "bare with a line end", payload: "on\r\n", value: "on"},
		{name: "json", payload: `{"value":"on","id":"7"}`, value: "on", id: "7"},
		{name: "json number and bool", payload: `{"value":21.5,"id":12}`, value: "21.5", id: "12"},
		{name: "expires after", payload: `{"value":true,"expires":"30s"}`, value: "true", expires: 30 * time.Second},
		{name: "expires at", payload: `{"value":"on","expires":"2026-11-23T03:00:05.123Z"}`, value: "on", expires: 5 * time.Second},
		{name: "mqtt 5 expiry", payload: "on", props: expiry, value: "on", expires: 10 * time.Second},
		{name: "the sooner counts", payload: `{"value":"on","expires":"30s"}`, props: expiry, value: "on", expires: 10 * time.Second},
		{name: "empty", payload: "", wrong: "the command is empty"},
		{name: "no value", payload: `{"id":"7"}`, wrong: `no "value"`},
		{name: "null", payload: `{"value":null}`, wrong: `no "value"`},
		{name: "half json", payload: `{"value":`, wrong: "neither a bare value nor"},
		{name: "unknown key", payload: `{"value":"on","dely":3}`, wrong: "dely"},
		{name: "bad time", payload: `{"value":"on","expires":"soon"}`, wrong: `"soon"`},
		{name: "too long", payload: strings.Repeat("x", 5000), wrong: "5000 bytes"},
		{name: "takes none", topic: "pi/pump/hours/set", payload: "1", wrong: "takes no commands"},
		{name: "no such channel", topic: "pi/pump/sate/set", payload: "1", wrong: "no channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.topic == "" {
				c.topic = "pi/pump/state/set"
			}
			got, err := ParseCommand(pump, &mqtt.Message{Topic: c.topic, Payload: []byte(c.payload), Properties: c.props, Time: epoch}, epoch)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) || !errors.Is(err, drivers.ErrRefused) {
					t.Errorf("error %v, want a refusal with %q", err, c.wrong)
				}
				return
			}
			if err != nil || string(got.Payload) != c.value || got.ID != c.id || got.Channel != "state" || got.Device != "pump" {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.expires == 0 && !got.Expires.IsZero() || c.expires > 0 && got.Expires.Sub(epoch) != c.expires {
				t.Errorf("expires %v", got.Expires)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"on", `{"value":"on","id":"7","expires":"30s"}`, `{"value":{"a":[1]}}`, "{", "\x00\xff", `{"value":1e999}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		m := mqtt.Message{Topic: "pi/pump/state/set", Payload: payload, Time: epoch}
		c, err := ParseCommand(pump, &m, epoch)
		if err == nil && (len(c.Payload) == 0 || c.Channel != "state") {
			t.Errorf("%q became %+v", payload, c)
		}
		for _, r := range Result(&m, c.ID, err, epoch) {
			if !json.Valid(r.Payload) {
				t.Errorf("the result of %q is not JSON: %s", payload, r.Payload)
			}
		}
	})
}

func TestResult(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "done"},
		{fmt.Errorf("%w: expired", drivers.ErrRefused), "refused"},
		{drivers.ErrNoCommands, "refused"},
		{fmt.Errorf("unit 3: %w", drivers.ErrNoAnswer), "timeout"},
		{context.DeadlineExceeded, "timeout"},
		{errors.New("crc wrong"), "failed"},
	} {
		rs := Result(&mqtt.Message{Topic: "pi/pump/state/set"}, "7", c.err, epoch)
		var got struct{ Result, ID, Reason string }
		if len(rs) != 1 || rs[0].Topic != "pi/pump/state/set/result" || rs[0].Retain || json.Unmarshal(rs[0].Payload, &got) != nil {
			t.Fatalf("result is %+v", rs)
		}
		if got.Result != c.want || got.ID != "7" || c.err != nil && got.Reason != c.err.Error() {
			t.Errorf("for %v: %+v", c.err, got)
		}
	}
}

// Who asks with MQTT 5 is answered where it wants, with its own data; but nobody can
// make us send a command that way.
func TestResultOnResponseTopic(t *testing.T) {
	ask := func(topic string) []mqtt.Message {
		return Result(&mqtt.Message{Topic: "pi/pump/state/set", Properties: &mqtt.PublishProperties{ResponseTopic: topic, CorrelationData: []byte("abc")}}, "", nil, epoch)
	}
	rs := ask("app/answers")
	if len(rs) != 2 || rs[1].Topic != "app/answers" || string(rs[1].Properties.CorrelationData) != "abc" {
		t.Errorf("answers are %+v", rs)
	}
	for _, topic := range []string{"", "pi/boiler/valve/set", "$SYS/x", "a/#", "pi/pump/state/set/result"} {
		if rs := ask(topic); len(rs) != 1 {
			t.Errorf("answered on %q too", topic)
		}
	}
}

func TestStatus(t *testing.T) {
	m := Status(pump, drivers.Health{State: drivers.Failing, Error: `no "answer"`, Since: epoch})
	want := `{"state":"failing","error":"no \"answer\"","since":"2026-11-23T03:00:00.123Z"}`
	if m.Topic != "pi/pump/status" || !m.Retain || string(m.Payload) != want {
		t.Errorf("status is %+v: %s", m, m.Payload)
	}
}

// A channel that is not well is on the status topic, with its reason.
func TestStatusNamesTheChannelsThatAreNotWell(t *testing.T) {
	m := Status(pump, drivers.Health{State: drivers.Degraded, Error: "target: 0.7 is outside the plausible range 5 to 30 (and 1 more)", Channels: []drivers.ChannelHealth{
		{Channel: "target", State: drivers.Failing, Error: "0.7 is outside the plausible range 5 to 30"},
		{Channel: `f"low`, State: drivers.Failing, Error: "refused"},
	}})
	want := `{"state":"degraded","error":"target: 0.7 is outside the plausible range 5 to 30 (and 1 more)",` +
		`"channels":{"target":{"state":"failing","error":"0.7 is outside the plausible range 5 to 30"},"f\"low":{"state":"failing","error":"refused"}}}`
	if string(m.Payload) != want {
		t.Errorf("status is %s, want %s", m.Payload, want)
	}
}

func TestTemplates(t *testing.T) {
	for in, want := range map[string]string{
		"{a}/{b}": "A/B", "{\"v\":{a}}": "{\"v\":A}", "{}{a}{": "{}A{", "{a b}{a}": "{a b}A", "{{a}}": "{A}", "": "", "x": "x", "{zzz}": "{zzz}",
	} {
		got := ParseTemplate(in).Expand(func(n string) (string, bool) { return strings.ToUpper(n), n == "a" || n == "b" })
		if got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
