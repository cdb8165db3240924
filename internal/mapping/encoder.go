package mapping

import (
	"strconv"
	"time"

	"sensorgate/drivers"
)

// An Encoder writes the payloads of one format. It keeps nothing between calls, and both
// methods append to b.
type Encoder interface {
	// AppendReading appends the payload of a message that carries one reading.
	AppendReading(b []byte, r Sample, c Context) []byte

	// AppendPoll appends the payload of the one message of publish = "device"; rs is not
	// empty, and all of it was taken at one moment.
	AppendPoll(b []byte, rs []Sample, c Context) []byte
}

// Sample is a reading as it is published: after the filters, rounded.
type Sample struct {
	drivers.Reading
	Digits *int // wanted behind the point; nil: as many as there are
}

// Rounded returns the reading with as many digits as are published.
func (s Sample) Rounded() drivers.Reading {
	r := s.Reading
	if x, ok := r.Value.Number(); ok && s.Digits != nil {
		r.Value = drivers.Number(round(x, *s.Digits))
	}
	return r
}

// Context is what the readings of one message have in common.
type Context struct {
	Device *Device
	Synced bool // the wall clock can be trusted
}

// encoders are the formats that have a name. A payload with any other text is a template.
var encoders = map[Payload]Encoder{
	JSON:  jsonEncoder{},
	Plain: plainEncoder{},
}

// Named reports whether p is a format that has a name, and not a template.
func (p Payload) Named() bool { return encoders[p] != nil }

// encoder returns what writes the payload p.
func (p Payload) encoder() Encoder {
	if e := encoders[p]; e != nil {
		return e
	}
	return templateEncoder{parsePayloadTemplate(string(p))}
}

// plainEncoder writes the bare value. There is no bare value of several channels: those
// are written as JSON.
type plainEncoder struct{}

func (plainEncoder) AppendReading(b []byte, r Sample, _ Context) []byte {
	return appendValue(b, r.Value, r.Digits)
}

func (plainEncoder) AppendPoll(b []byte, rs []Sample, c Context) []byte {
	return jsonEncoder{}.AppendPoll(b, rs, c)
}

// templateEncoder puts values in place of the variables of a text.
type templateEncoder struct{ template payloadTemplate }

func (e templateEncoder) AppendReading(b []byte, r Sample, c Context) []byte {
	return e.template.expand(b, func(name string) (variable, bool) {
		switch name {
		case "value":
			return valueVariable(r.Value, r.Digits), true
		case "channel":
			return textVariable(r.Channel), true
		case "unit":
			return textVariable(r.Unit), true
		}
		return c.variable(name, r.Time, r.Quality)
	})
}

func (e templateEncoder) AppendPoll(b []byte, rs []Sample, c Context) []byte {
	return e.template.expand(b, func(name string) (variable, bool) {
		for _, r := range rs {
			if r.Channel == name {
				return valueVariable(r.Value, r.Digits), true
			}
		}
		if _, known := c.Device.channel(name); known {
			return literalVariable("null"), true // held back, or not part of this poll
		}
		return c.variable(name, rs[0].Time, rs[0].Quality)
	})
}

// variable returns what is the same for all channels of a poll.
func (c Context) variable(name string, at time.Time, q drivers.Quality) (variable, bool) {
	switch name {
	case "time":
		return textVariable(at.UTC().Format(timeFormat)), true
	case "unix":
		return literalVariable(strconv.FormatInt(at.Unix(), 10)), true
	case "unix_ms":
		return literalVariable(strconv.FormatInt(at.UnixMilli(), 10)), true
	case "time_synced":
		return literalVariable(strconv.FormatBool(c.Synced)), true
	case "quality":
		return textVariable(qualityName(q)), true
	case "node":
		return textVariable(c.Device.Node), true
	case "device":
		return textVariable(c.Device.Name), true
	case "bus":
		return textVariable(c.Device.Bus), true
	case "model":
		return textVariable(c.Device.Model), true
	case "class":
		return textVariable(c.Device.Class), true
	}
	return variable{}, false
}
