package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

// maxCommand bounds a command's payload; a wanted state is short.
const maxCommand = 4096

// commandJSON is the JSON form of a command: {"value":"on","id":"7","expires":"…"}.
type commandJSON struct {
	Value   json.RawMessage `json:"value"`
	ID      json.RawMessage `json:"id"`
	Expires json.RawMessage `json:"expires"`
}

// ParseCommand reads a message on …/set: the bare value, or JSON with value and, if
// wanted, id (comes back with the result) and expires (a time, or a duration such as
// "30s" from the arrival). The MQTT 5 message expiry counts as well. On error the
// Command still has what is needed to answer. Whether the message was retained is
// for the caller to judge. now counts as the arrival of a message without a time.
func ParseCommand(d Device, m *mqtt.Message, now time.Time) (drivers.Command, error) {
	c := drivers.Command{Device: d.Name, Channel: d.channelOf(m.Topic)}
	if c.Channel == "" {
		return c, fmt.Errorf("%w: no channel of %s takes commands on %s", drivers.ErrRefused, d.Name, m.Topic)
	}
	arrival := now
	if !m.Time.IsZero() {
		arrival = m.Time
	}
	if p := m.Properties; p != nil && p.HasExpiry {
		c.Expires = arrival.Add(time.Duration(p.MessageExpiry) * time.Second)
	}
	switch {
	case len(m.Payload) > maxCommand:
		return c, fmt.Errorf("%w: %d bytes are more than any command has (limit %d)", drivers.ErrRefused, len(m.Payload), maxCommand)
	case len(bytes.TrimSpace(m.Payload)) == 0:
		return c, fmt.Errorf("%w: the command is empty", drivers.ErrRefused)
	}
	if err := parsePayload(&c, m.Payload, arrival); err != nil {
		return c, fmt.Errorf("%w: %w", drivers.ErrRefused, err)
	}
	if ch, ok := d.channel(c.Channel); !ok || !ch.Writable {
		return c, fmt.Errorf("%w: %w", drivers.ErrRefused, drivers.ErrNoCommands)
	}
	return c, nil
}

func parsePayload(c *drivers.Command, payload []byte, arrival time.Time) error {
	payload = bytes.TrimSpace(payload)
	if payload[0] != '{' {
		c.Payload = payload
		return nil
	}
	var o commandJSON
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return fmt.Errorf(`the command is neither a bare value nor {"value":…,"id":…,"expires":…}: %s`, strings.TrimPrefix(err.Error(), "json: "))
	}
	c.ID = bare(o.ID)
	c.Payload = []byte(bare(o.Value))
	if len(c.Payload) == 0 {
		return errors.New(`the command has no "value"`)
	}
	return parseExpires(c, bare(o.Expires), arrival)
}

// parseExpires takes the sooner of the expiry in the payload and that of MQTT 5.
func parseExpires(c *drivers.Command, text string, from time.Time) error {
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		after, derr := time.ParseDuration(text)
		if derr != nil {
			return fmt.Errorf(`"expires" is %q, expected a time as 2026-11-23T03:00:00Z or a duration as 30s`, text)
		}
		at = from.Add(after)
	}
	if c.Expires.IsZero() || at.Before(c.Expires) {
		c.Expires = at
	}
	return nil
}

// bare is a JSON value without its quotes: "on", 5 and true mean the same as on, 5
// and true do without JSON.
func bare(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// channelOf returns which channel takes commands on topic.
func (d *Device) channelOf(topic string) string {
	for i := range d.Channels {
		if name := d.Channels[i].Name; d.SetTopic(name) == topic {
			return name
		}
	}
	return ""
}

// Result makes the messages with the outcome of the command m at the time now: done when err is nil, else refused,
// timeout or failed with the reason. It goes to m's topic with /result behind it
// and, if m asked for it with an MQTT 5 response topic, there as well, with the
// correlation data (MQTT 5, 4.10).
func Result(m *mqtt.Message, id string, err error, now time.Time) []mqtt.Message {
	b := []byte(`{"result":"`)
	b = append(b, Outcome(err)...)
	b = append(b, '"')
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendJSONText(b, id)
	}
	if err != nil {
		b = append(b, `,"reason":`...)
		b = appendJSONText(b, err.Error())
	}
	b = append(b, `,"time":"`...)
	b = now.UTC().AppendFormat(b, timeFormat)
	b = append(b, `"}`...)
	results := []mqtt.Message{{Topic: strings.TrimSuffix(m.Topic, setLevel) + resultLevel, Payload: b, QoS: 1}}
	if p := m.Properties; p != nil && mayAnswerOn(p.ResponseTopic) && p.ResponseTopic != results[0].Topic {
		results = append(results, mqtt.Message{Topic: p.ResponseTopic, Payload: b, QoS: 1})
	}
	if p := m.Properties; p != nil && len(p.CorrelationData) > 0 {
		for i := range results {
			results[i].Properties = &mqtt.PublishProperties{CorrelationData: p.CorrelationData}
		}
	}
	return results
}

// mayAnswerOn refuses response topics by which a client could have us publish what it
// may not publish itself: a command to another device, or what only a broker reports.
func mayAnswerOn(topic string) bool {
	return mqtt.CheckTopic(topic) == nil && !strings.HasPrefix(topic, "$") && !strings.HasSuffix(topic, setLevel)
}

// Outcome is the result of a command in a word: done, refused, timeout, failed.
func Outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, drivers.ErrRefused), errors.Is(err, drivers.ErrNoCommands):
		return "refused"
	case errors.Is(err, drivers.ErrNoAnswer), isTimeout(err):
		return "timeout"
	}
	return "failed"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Status is a device's condition as its retained status topic has it: its own state, and
// the channels that are not well beside it.
func Status(d Device, h drivers.Health) mqtt.Message {
	b := []byte(`{"state":`)
	b = appendJSONText(b, string(h.State))
	if h.Error != "" {
		b = append(b, `,"error":`...)
		b = appendJSONText(b, h.Error)
	}
	if !h.Since.IsZero() {
		b = append(b, `,"since":"`...)
		b = h.Since.UTC().AppendFormat(b, timeFormat)
		b = append(b, '"')
	}
	for i, c := range h.Channels {
		b = append(b, [...]string{`,"channels":{`, `,`}[min(i, 1)]...)
		b = appendJSONText(b, c.Channel)
		b = append(b, `:{"state":`...)
		b = appendJSONText(b, string(c.State))
		b = append(b, `,"error":`...)
		b = append(appendJSONText(b, c.Error), '}')
	}
	if len(h.Channels) > 0 {
		b = append(b, '}')
	}
	return mqtt.Message{Topic: d.StatusTopic(), Payload: append(b, '}'), QoS: 1, Retain: true}
}
