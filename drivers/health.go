package drivers

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Health is a device's condition as it is published on its status topic.
type Health struct {
	State Condition
	Error string    // why, when not OK
	Since time.Time // of the last change of State

	// Channels are those that fail or are missing while the device itself answers; nil while
	// the device's own state covers them all.
	Channels []ChannelHealth
}

// ChannelHealth is the condition of one channel.
type ChannelHealth struct {
	Channel string
	State   Condition
	Error   string    // why, when not OK; the text of the first fault of its kind
	Since   time.Time // of the last change of State
	Repeats uint64    // how often a fault of the same kind came again
}

// Condition of a device or a channel.
type Condition string

const (
	Starting Condition = "starting" // never answered yet
	OK       Condition = "ok"
	Degraded Condition = "degraded" // the device answers, but not all of its channels are well
	Failing  Condition = "failing"  // there, but wrong or silent
	Absent   Condition = "absent"   // not plugged in
	Stuck    Condition = "stuck"    // its driver does not return
	Stopped  Condition = "stopped"

	// Missing is of a channel only: a model or driver lists it and it has not come, so the
	// device may not have it. That alone does not make a device Degraded.
	Missing Condition = "missing"
)

// maxChannels bounds what is remembered of channels: their names may come from outside.
const maxChannels = 1000

// truth is what is known of a device and of each of its channels. It has no clock and
// calls nobody; the Runner locks it.
type truth struct {
	device   state // of the device itself, whatever its channels do
	shown    state // of both together
	channels map[string]*state
	names    []string // of channels, in the order in which they became known
}

// state is one condition with its reason.
type state struct {
	condition Condition
	err, kind string
	since     time.Time
	repeats   uint64
	listed    bool // see Expectation
}

// set notes a condition and reports whether the state or the kind of its reason is new.
// The text stays that of the first fault of a kind: a value in it is no news.
func (s *state) set(c Condition, err string, now time.Time) (news bool) {
	kind := kindOf(err)
	if s.condition == c && s.kind == kind {
		if c != OK {
			s.repeats++
		}
		return false
	}
	if s.condition != c {
		s.since = now
	}
	s.condition, s.err, s.kind, s.repeats = c, err, kind, 0
	return true
}

// kindOf is an error's text without what differs from one time to the next: numbers, and
// what stands in quotes.
func kindOf(text string) string {
	var b strings.Builder
	quoted, number := false, false
	for i, r := range text {
		if r == '"' {
			quoted = !quoted
		}
		digit := r >= '0' && r <= '9'
		// Behind a digit also what belongs to the number: 0x3f, 1.5, 1e-9, 12:30.
		if quoted && r != '"' || digit || number && strings.ContainsRune(".,:xXabcdefABCDEF", r) {
			if digit && !number && !quoted {
				b.WriteByte('#')
			}
			number = number || digit
			continue
		}
		number = false
		if sign := r == '-' || r == '+'; sign && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// channel returns the state of a channel, nil if there are too many.
func (t *truth) channel(name string) *state {
	if s := t.channels[name]; s != nil {
		return s
	}
	if len(t.channels) >= maxChannels || name == "" {
		return nil
	}
	if t.channels == nil {
		t.channels = map[string]*state{}
	}
	s := &state{condition: Starting}
	t.channels[name] = s
	t.names = append(t.names, name)
	return s
}

// expect makes a channel known before it comes.
func (t *truth) expect(e Expectation, now time.Time) {
	if s := t.channel(e.Channel); s != nil {
		s.listed = e.Listed
		if s.since.IsZero() {
			s.since = now
		}
	}
}

// reopened forgets the faults of channels: what was opened may be another device.
func (t *truth) reopened(now time.Time) {
	for _, s := range t.channels {
		s.set(Starting, "", now)
	}
	t.show(now)
}

// setDevice notes the condition of the device itself. news is that what is shown of the
// device has changed.
func (t *truth) setDevice(c Condition, err string, now time.Time) (news bool) {
	t.device.set(c, err, now)
	return t.show(now)
}

// setChannel notes the condition of one channel. A device of which one channel is known
// to be right or wrong has answered.
func (t *truth) setChannel(name string, c Condition, err string, now time.Time) (news bool) {
	s := t.channel(name)
	if s == nil {
		return false
	}
	news = s.set(c, err, now)
	return t.show(now) || news
}

// show works out what is shown of the device.
func (t *truth) show(now time.Time) (news bool) {
	c, err := t.device.condition, t.device.err
	if c == OK {
		c, err = t.summary()
	}
	return t.shown.set(c, err, now)
}

// summary is the state of a device that answers: degraded while some of its channels fail,
// failing when all do.
func (t *truth) summary() (Condition, string) {
	failing, others, first := 0, 0, ""
	for _, name := range t.names {
		switch s := t.channels[name]; {
		case s.condition == Failing:
			if failing++; failing == 1 {
				first = name + ": " + s.err
			}
		case !s.listed || s.condition == OK: // of what is listed nobody knows whether it exists
			others++
		}
	}
	switch {
	case failing == 0:
		return OK, ""
	case failing > 1:
		first += fmt.Sprintf(" (and %d more)", failing-1)
	}
	if others == 0 {
		return Failing, first
	}
	return Degraded, first
}

// health is what is published of the device.
func (t *truth) health() Health {
	h := Health{State: t.shown.condition, Error: t.shown.err, Since: t.shown.since}
	if h.State == "" {
		return Health{State: Starting} // Run has not begun
	}
	if t.device.condition != OK {
		return h
	}
	for _, name := range t.names {
		if s := t.channels[name]; s.condition == Failing || s.condition == Missing {
			h.Channels = append(h.Channels, s.health(name))
		}
	}
	return h
}

// all is the condition of every channel that is known. While the device itself is not
// well, no channel is better off than it.
func (t *truth) all() []ChannelHealth {
	list := make([]ChannelHealth, 0, len(t.names))
	for _, name := range t.names {
		h := t.channels[name].health(name)
		if d := &t.device; d.condition != OK && d.condition != "" {
			h = ChannelHealth{Channel: name, State: d.condition, Error: d.err, Since: d.since, Repeats: d.repeats}
		}
		list = append(list, h)
	}
	return list
}

func (s *state) health(name string) ChannelHealth {
	return ChannelHealth{Channel: name, State: s.condition, Error: s.err, Since: s.since, Repeats: s.repeats}
}

// stateOf is the condition of a device that has an error which is not of single channels.
func stateOf(err error) Condition {
	if errors.Is(err, ErrAbsent) {
		return Absent
	}
	return Failing
}
