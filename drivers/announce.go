package drivers

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// announceEvery is how often news of one device are published and logged at most: a
	// channel that comes and goes must neither fill the SD card nor the network.
	announceEvery = 10 * time.Second

	// announceAfter is how long it is waited before a device is said to be well: of the
	// channels of one frame the good ones are known first.
	announceAfter = 250 * time.Millisecond

	// maxLogged bounds the lines about channels per announcement.
	maxLogged = 5
)

// announcer publishes and logs what is new about a device, at most every announceEvery.
// What changed in between is put together; what changed back is only logged.
type announcer struct {
	device string
	sink   Sink
	log    *slog.Logger
	now    func() Health // the device's condition

	mu     sync.Mutex // serialises announcements: the newest must come last
	timer  *time.Timer
	due    time.Time // of the timer
	last   Health    // as announced
	passed Health    // the newest other trouble since then
	at     time.Time // of the last announcement
	closed bool
}

// news announces the device's condition as soon as it may be announced. That it is
// starting can wait: most devices have more to tell soon, which then need not wait.
func (a *announcer) news() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	h, now := a.now(), time.Now()
	due := now
	switch {
	case h.State == OK && len(h.Channels) == 0:
		due = now.Add(announceAfter)
	case h.State == OK: // a channel is missing, which is no trouble
	case h.State != Starting && !same(a.last, h):
		a.passed = h
	case a.at.IsZero():
		due = now.Add(announceEvery)
	}
	if next := a.at.Add(announceEvery); due.Before(next) {
		due = next
	}
	switch {
	case !now.Before(due):
		a.announce(h, now)
	case a.timer == nil:
		a.due, a.timer = due, time.AfterFunc(due.Sub(now), a.later)
	case due.Before(a.due):
		a.due = due
		a.timer.Reset(due.Sub(now))
	}
}

func (a *announcer) later() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = nil
	if !a.closed {
		a.announce(a.now(), time.Now())
	}
}

// close announces the end and nothing more after it.
func (a *announcer) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.announce(a.now(), time.Now())
	a.closed = true
}

func (a *announcer) announce(h Health, now time.Time) {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	was, passed := a.last, a.passed
	a.passed = Health{}
	if !a.at.IsZero() && same(was, h) {
		if passed.State != "" {
			a.at = now
			what := string(passed.State)
			if passed.State == h.State {
				what += " for another reason"
			}
			a.log.Warn("device was "+what+" in between", "err", passed.Error)
		}
		return // it changed back
	}
	a.last, a.at = h, now
	a.sink.Health(a.device, h)
	a.write(was, h)
}

// same reports whether two conditions read alike but for values in their texts.
func same(a, b Health) bool {
	if a.State != b.State || kindOf(a.Error) != kindOf(b.Error) || len(a.Channels) != len(b.Channels) {
		return false
	}
	for i := range a.Channels {
		if x, y := a.Channels[i], b.Channels[i]; x.Channel != y.Channel || x.State != y.State || kindOf(x.Error) != kindOf(y.Error) {
			return false
		}
	}
	return true
}

// write logs what is new: a line about the device, or lines about its channels.
func (a *announcer) write(was, h Health) {
	switch {
	case h.State == Starting, h.State == Stopped:
		return
	case h.State == OK && was.State != OK:
		if was.State != Starting && was.State != "" {
			a.log.Info("device back", "was", was.State)
		}
		return
	case h.State == Stuck:
		a.log.Error("device stuck", "after", stuckAfter)
		return
	case h.State != was.State:
		a.log.Warn("device "+string(h.State), "err", h.Error)
		return
	case len(h.Channels) == 0 && kindOf(h.Error) != kindOf(was.Error):
		a.log.Warn("device still "+string(h.State)+", for another reason", "err", h.Error)
		return
	}
	a.writeChannels(was.Channels, h.Channels)
}

func (a *announcer) writeChannels(was, are []ChannelHealth) {
	before := make(map[string]string, len(was))
	for _, c := range was {
		before[c.Channel] = kindOf(c.Error)
	}
	written := 0
	line := func(write func(string, ...any), message string, args ...any) {
		if written++; written <= maxLogged {
			write(message, args...)
		}
	}
	for _, c := range are {
		if kind, failed := before[c.Channel]; !failed || kind != kindOf(c.Error) {
			write := a.log.Warn
			if c.State == Missing {
				write = a.log.Info // there may be nothing to do
			}
			line(write, "channel "+string(c.State), "channel", c.Channel, "err", c.Error)
		}
		delete(before, c.Channel)
	}
	for _, c := range was {
		if _, back := before[c.Channel]; back {
			line(a.log.Info, "channel back", "channel", c.Channel)
		}
	}
	if written > maxLogged {
		a.log.Warn("more channels changed", "count", written-maxLogged)
	}
}
