package serial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// tolerated is how many things in a row may fail to be a frame before it is told: the
// first piece after opening is nearly always the second half of something, and a
// glitch now and then is what the check sum is for.
const tolerated = 2

// decoder takes the values out of one frame.
type decoder interface {
	decode(frame []byte, h *harvest)
}

// harvest collects what a frame gave.
type harvest struct {
	at       time.Time
	readings []drivers.Reading
	errs     []error
}

func (h *harvest) reset(at time.Time) { *h = harvest{at: at, readings: h.readings[:0]} }

// put adds a value, or the reason why there is none.
func (h *harvest) put(channel, unit string, v drivers.Value, err error) {
	switch {
	case errors.Is(err, field.ErrNone), err == nil && !v.Valid(): // a NaN is no value
	case err != nil:
		h.errs = append(h.errs, &channelError{channel, err})
	default:
		h.readings = append(h.readings, drivers.Reading{Channel: channel, Unit: unit, Value: v, Time: h.at})
	}
}

// due gives the faults that are to be told now: all, if nothing else was in the frame.
func (h *harvest) due(told *Told) []error {
	if len(h.readings) == 0 {
		return h.errs
	}
	var due []error
	for _, err := range h.errs {
		var ce *channelError
		if !errors.As(err, &ce) || told.Due(ce.channel, h.at) {
			due = append(due, err)
		}
	}
	return due
}

// reject says that the frame as a whole was not what it should be.
func (h *harvest) reject(err error) { h.errs = append(h.errs, err) }

// stream is a device that speaks first. It reports all that it hears: how often that is
// published is for the mapping to say, whose median and average need every value.
type stream struct {
	commander
	release func()
	framer  framer
	decoder decoder
	silence time.Duration // without a good frame for this long, it is told; 0: never
	hello   *dialogue     // said whenever the port was opened; nil: nothing

	h      harvest
	told   Told
	greet  bool // hello is still to be said
	lastOK time.Time
	bad    int
}

// Close gives the port back.
func (s *stream) Close() error {
	s.release()
	return nil
}

// Watch listens until ctx ends. A lost port is told, and then waited for.
func (s *stream) Watch(ctx context.Context, report drivers.Report) error {
	l := s.bus.Listen()
	defer l.Close()
	s.lastOK = time.Now()
	s.greet = s.hello != nil
	for {
		if s.greet {
			s.sayHello(ctx, report)
		}
		c, err := l.Next(ctx, s.deadline())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			s.framer.reset()
			report(drivers.Reading{}, err)
			s.greet = s.hello != nil
		default:
			s.framer.push(c.Data, c.At)
		}
		s.take(report)
		s.onTime(time.Now(), report)
	}
}

// helloEvery is how often hello is tried while the port is not there.
const helloEvery = time.Second

func (s *stream) sayHello(ctx context.Context, report drivers.Report) {
	err := s.bus.Do(ctx, Job{Priority: Poll, Aloud: true, Run: s.hello.sayHello})
	switch {
	case err == nil:
		s.greet = false
	case ctx.Err() == nil:
		report(drivers.Reading{}, err)
	}
}

// take looks at everything that the framer has got.
func (s *stream) take(report drivers.Report) {
	for {
		frame, at, err, ok := s.framer.next()
		if !ok {
			return
		}
		s.frame(frame, at, err, report)
	}
}

func (s *stream) frame(frame []byte, at time.Time, err error, report drivers.Report) {
	if err != nil {
		s.garbled(err, report)
		return
	}
	s.h.reset(at)
	s.decoder.decode(frame, &s.h)
	if len(s.h.readings) > 0 {
		s.bad, s.lastOK = 0, time.Now()
	}
	for _, r := range s.h.readings {
		report(r, nil)
	}
	for _, err := range s.h.due(&s.told) {
		if len(s.h.readings) > 0 {
			report(drivers.Reading{}, err) // one channel of several is wrong
		} else {
			s.garbled(err, report)
		}
	}
}

func (s *stream) garbled(err error, report drivers.Report) {
	if s.bad++; s.bad > tolerated && s.told.Due("", time.Now()) {
		report(drivers.Reading{}, fmt.Errorf("%s: %w (speed and parity right? try: sensorgate sniff)", s.bus.opts.where(), err))
	}
}

// onTime does what is due at now.
func (s *stream) onTime(now time.Time, report drivers.Report) {
	if gap := s.framer.gap; gap > 0 && now.Sub(s.framer.heard) >= gap {
		if frame, at, err, ok := s.framer.silence(); ok {
			s.frame(frame, at, err, report)
		}
	}
	if s.silence > 0 && now.Sub(s.lastOK) >= s.silence {
		s.lastOK = now
		report(drivers.Reading{}, fmt.Errorf("%s: %w: nothing usable for %v", s.bus.opts.where(), drivers.ErrNoAnswer, s.silence))
	}
}

// deadline is when onTime has something to do; zero is never.
func (s *stream) deadline() time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	if s.framer.gap > 0 && s.framer.unfinished() {
		consider(s.framer.heard.Add(s.framer.gap))
	}
	if s.greet {
		consider(time.Now().Add(helloEvery))
	}
	if s.silence > 0 {
		consider(s.lastOK.Add(s.silence))
	}
	return first
}
