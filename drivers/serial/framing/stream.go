package framing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// tolerated is how many things in a row may fail to be a frame before it is reported: the
// first piece after opening is nearly always the second half of something, and a
// glitch now and then is what the check sum is for.
const tolerated = 2

// stream is a device that speaks first. It reports all that it hears: how often that is
// published is for the mapping to say, whose median and average need every value.
type stream struct {
	commander
	unlisted func(drivers.Reading)
	release  func()
	framer   Framer
	decoder  Decoder
	whole    bool          // every frame has all channels
	silence  time.Duration // without a good frame for this long a fault is reported; 0: never
	init     *dialogue     // its init is sent whenever the port was opened; nil: nothing

	results Results
	repeats drivers.RepeatFilter
	toInit  bool  // init must still be sent
	others  error // what good frames without a reading had, since the last one with
	lastOK  time.Time
	bad     int
}

// Close releases the port.
func (s *stream) Close() error {
	s.release()
	return nil
}

// Watch listens until ctx ends. A lost port is reported, and then waited for.
func (s *stream) Watch(ctx context.Context, report drivers.Report) error {
	l := s.bus.Listen()
	defer l.Close()
	s.lastOK = time.Now()
	s.toInit = s.init != nil
	for {
		if s.toInit {
			s.sendInit(ctx, report)
		}
		c, err := l.Next(ctx, s.deadline())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			s.framer.Reset()
			report(drivers.Reading{}, err)
			s.toInit = s.init != nil
		default:
			s.framer.Push(c.Data, c.At)
		}
		s.take(report)
		s.onTime(time.Now(), report)
	}
}

// initEvery is how often init is tried while the port is not there.
const initEvery = time.Second

func (s *stream) sendInit(ctx context.Context, report drivers.Report) {
	err := s.bus.Do(ctx, serial.Job{Priority: serial.Poll, Broadcast: true, Run: s.init.sendInit})
	switch {
	case err == nil:
		s.toInit = false
	case ctx.Err() == nil:
		report(drivers.Reading{}, err)
	}
}

// take looks at everything that the framer has.
func (s *stream) take(report drivers.Report) {
	for {
		frame, at, err, ok := s.framer.Next()
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
	s.results.Reset(at)
	s.decoder.Decode(frame, &s.results)
	s.results.Unlisted(s.unlisted)
	if len(s.results.Readings) > 0 {
		s.bad, s.lastOK, s.others = 0, time.Now(), nil
	} else if len(s.results.Others) > 0 {
		s.noChannel(report)
	}
	for _, r := range s.results.Readings {
		report(r, nil)
	}
	for _, err := range s.results.Faults {
		if errors.As(err, new(*drivers.ChannelError)) {
			report(drivers.Reading{}, err) // each time: the Runner knows what is news
		} else {
			s.garbled(err, report)
		}
	}
}

// noChannel notes a good frame without a reading. That is a fault of its own where every
// frame has all channels, and the reason of the silence elsewhere.
func (s *stream) noChannel(report drivers.Report) {
	err := s.results.NoChannel()
	if err == nil {
		return
	}
	s.others = err
	if s.whole && s.repeats.Due("", time.Now()) {
		report(drivers.Reading{}, fmt.Errorf("%s: %w", s.bus, err))
	}
}

func (s *stream) garbled(err error, report drivers.Report) {
	if s.bad++; s.bad > tolerated && s.repeats.Due("", time.Now()) {
		report(drivers.Reading{}, fmt.Errorf("%s: %w (speed and parity right? try: sensorgate sniff)", s.bus, err))
	}
}

// onTime does what is due at now.
func (s *stream) onTime(now time.Time, report drivers.Report) {
	if gap := s.framer.Gap; gap > 0 && now.Sub(s.framer.heard) >= gap {
		if frame, at, err, ok := s.framer.Silence(); ok {
			s.frame(frame, at, err, report)
		}
	}
	if s.silence > 0 && now.Sub(s.lastOK) >= s.silence {
		s.lastOK = now
		if s.others != nil {
			report(drivers.Reading{}, fmt.Errorf("%s: no reading for %v: %w", s.bus, s.silence, s.others))
			return
		}
		report(drivers.Reading{}, fmt.Errorf("%s: %w: nothing usable for %v", s.bus, drivers.ErrNoAnswer, s.silence))
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
	if s.framer.Gap > 0 && s.framer.Unfinished() {
		consider(s.framer.heard.Add(s.framer.Gap))
	}
	if s.toInit {
		consider(time.Now().Add(initEvery))
	}
	if s.silence > 0 {
		consider(s.lastOK.Add(s.silence))
	}
	return first
}
