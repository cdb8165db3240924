package mapping

import (
	"bytes"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

// gatherTime is how long the first reading of a report waits for the others of the
// same moment, where they matter to each other.
const gatherTime = 50 * time.Millisecond

// Mapper holds the filters' memory of one device. It is used by one goroutine.
type Mapper struct {
	// Seen is called with each reading that is not put aside by Filters.When: as the device
	// reported it, and with the value and unit that are published of it, now or when a
	// throttle or a deadband lets it pass. May be nil.
	Seen func(raw, published drivers.Reading)

	// Published is called with what goes into the messages of one call, in their order; it
	// must not keep rs. May be nil.
	Published func(rs []Sample)

	dev      Device
	channels map[string]*channel
	order    []*channel // as in dev, then as they came
	topic    string     // of the one message of all channels
	encoder  Encoder    // of the same
	gathers  bool
	scratch  []byte // a payload is written here and copied: its size is not known before

	// Hardware that speaks first reports one reading at a time. Those with the same
	// Time are one report, and are held here until it is complete.
	held  []drivers.Reading
	until time.Time
}

// New makes a mapper. d has passed the configuration's checks.
func New(d Device) *Mapper {
	m := &Mapper{dev: d, channels: map[string]*channel{}, gathers: d.PerDevice}
	if m.dev.Payload == "" {
		m.dev.Payload = JSON
	}
	for _, c := range d.Channels {
		m.addChannel(c)
		m.gathers = m.gathers || len(c.Filters.When) > 0
	}
	if d.PerDevice {
		m.topic = d.Topic("")
		m.encoder = m.dev.Payload.encoder()
	}
	return m
}

func (m *Mapper) addChannel(c Channel) *channel {
	ch := newChannel(&m.dev, c)
	m.channels[c.Name] = ch
	m.order = append(m.order, ch)
	return ch
}

// maxChannels bounds what a device may make up: names of lines come from outside.
const maxChannels = 1000

// channel finds a reading's channel; one that the configuration did not foresee has
// defaults only. nil: there are too many.
func (m *Mapper) channel(name string) *channel {
	if c := m.channels[name]; c != nil {
		return c
	}
	if len(m.channels) >= maxChannels || mqtt.CheckTopic(name) != nil {
		return nil
	}
	return m.addChannel(Channel{Name: name, QoS: m.dev.QoS})
}

// Messages returns what is to be published for the readings of one poll or report,
// and remembers what the filters need. synced says whether the wall clock can be
// trusted. What a filter holds back comes out of a later call or of Tick.
func (m *Mapper) Messages(rs []drivers.Reading, synced bool) []mqtt.Message {
	if !m.gathers || len(rs) != 1 {
		return append(m.release(synced), m.poll(rs, synced)...)
	}
	return m.gather(rs[0], synced)
}

// gather holds a reading until the others of its moment are there.
func (m *Mapper) gather(r drivers.Reading, synced bool) (out []mqtt.Message) {
	if len(m.held) > 0 && (!m.held[0].Time.Equal(r.Time) || m.isHeld(r.Channel)) {
		out = m.release(synced)
	}
	if len(m.held) == 0 {
		m.until = r.Time.Add(gatherTime)
	}
	m.held = append(m.held, r)
	if len(m.held) >= len(m.channels) || len(m.held) >= maxChannels {
		out = append(out, m.release(synced)...)
	}
	return out
}

func (m *Mapper) isHeld(channel string) bool {
	for _, h := range m.held {
		if h.Channel == channel {
			return true
		}
	}
	return false
}

func (m *Mapper) release(synced bool) []mqtt.Message {
	if len(m.held) == 0 {
		return nil
	}
	rs := m.held
	m.held = nil
	return m.poll(rs, synced)
}

// poll runs the readings of one moment through their filters.
func (m *Mapper) poll(rs []drivers.Reading, synced bool) []mqtt.Message {
	passed := make([]Sample, 0, len(rs))
	for _, r := range rs {
		c := m.channel(r.Channel)
		if c == nil || !c.meets(rs) {
			continue
		}
		raw := r
		v, ok := c.value(r.Value)
		if !ok {
			continue
		}
		r.Value = v
		if c.Unit != "" {
			r.Unit = c.Unit
		}
		if m.Seen != nil {
			m.Seen(raw, c.rounded(r))
		}
		if r, ok = c.pass(r); ok {
			passed = append(passed, c.sample(r))
		}
	}
	return m.messages(passed, synced)
}

// meets reports whether the other channels of the poll are as Filters.When wants.
func (c *channel) meets(rs []drivers.Reading) bool {
	for _, cond := range c.when {
		met := false
		for _, r := range rs {
			if r.Channel == cond.channel && r.Value.String() == cond.value {
				met = true
				break
			}
		}
		if !met {
			return false
		}
	}
	return true
}

func (m *Mapper) messages(rs []Sample, synced bool) []mqtt.Message {
	if len(rs) == 0 {
		return nil
	}
	if m.Published != nil {
		m.Published(rs)
	}
	ctx := Context{&m.dev, synced}
	if m.dev.PerDevice {
		return []mqtt.Message{{Topic: m.topic, Payload: m.encoder.AppendPoll(nil, rs, ctx), QoS: m.dev.QoS, Retain: m.dev.Retain}}
	}
	out := make([]mqtt.Message, 0, len(rs))
	for _, r := range rs {
		c := m.channels[r.Channel]
		m.scratch = c.encoder.AppendReading(m.scratch[:0], r, ctx)
		out = append(out, mqtt.Message{Topic: c.topic, Payload: bytes.Clone(m.scratch), QoS: c.QoS, Retain: c.Retain})
	}
	return out
}

// Next is when Tick has something to do; ok is false while nothing waits.
func (m *Mapper) Next() (at time.Time, ok bool) {
	if len(m.held) > 0 {
		at, ok = m.until, true
	}
	for _, c := range m.order {
		if t, due := c.next(); due && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}

// Tick returns what is due at now without a new reading: what the throttle held back,
// a state that at_least repeats, a report that stayed incomplete.
func (m *Mapper) Tick(now time.Time, synced bool) []mqtt.Message {
	var out []mqtt.Message
	if len(m.held) > 0 && !now.Before(m.until) {
		out = m.release(synced)
	}
	var rs []Sample
	for _, c := range m.order {
		if r, ok := c.tick(now); ok {
			rs = append(rs, c.sample(r))
		}
	}
	return append(out, m.messages(rs, synced)...)
}

// Flush returns what is still held back, for a stop.
func (m *Mapper) Flush(synced bool) []mqtt.Message {
	out := m.release(synced)
	var rs []Sample
	for _, c := range m.order {
		if c.waiting != nil && !c.unchanged(c.waiting.Value, c.waiting.Time) {
			rs = append(rs, c.sample(c.publish(*c.waiting)))
		}
		c.waiting = nil
	}
	return append(out, m.messages(rs, synced)...)
}
