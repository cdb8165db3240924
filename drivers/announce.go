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

	// announceBurst is how many announcements a quiet device has in hand for changes of its
	// own state, which go out at once: who plugs an adapter in waits for the answer.
	announceBurst = 3

	// maxLogged bounds the lines about channels per announcement.
	maxLogged = 5
)

// announcer publishes and logs what is new about a device, at most every announceEvery.
// What changed in between is put together; what changed back is not mentioned.
type announcer struct {
	device string
	sink   Sink
	log    *slog.Logger
	now    func() Health // the device's condition

	mu     sync.Mutex // serialises announcements: the newest must come last
	timer  *time.Timer
	last   Health    // as announced
	at     time.Time // of the last announcement
	burst  int       // announcements that may go out at once
	filled time.Time // when burst was brought up to date
	closed bool
}

// news announces the device's condition now, or when it may be announced again.
func (a *announcer) news() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	h, now := a.now(), time.Now()
	a.refill(now)
	if a.at.IsZero() || now.Sub(a.at) >= announceEvery || h.State != a.last.State && a.burst > 0 {
		a.announce(h, now)
		return
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(a.at.Add(announceEvery).Sub(now), a.later)
	}
}

// refill lets one more announcement go out at once for every announceEvery.
func (a *announcer) refill(now time.Time) {
	n := int(now.Sub(a.filled) / announceEvery)
	a.burst = min(a.burst+n, announceBurst)
	a.filled = a.filled.Add(time.Duration(n) * announceEvery)
}

func (a *announcer) later() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = nil
	if now := time.Now(); !a.closed {
		a.refill(now)
		a.announce(a.now(), now)
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
	was := a.last
	switch {
	case a.at.IsZero():
		a.burst, a.filled = announceBurst, now
	case same(was, h):
		return // it changed back
	}
	a.burst = max(a.burst-1, 0)
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
	case h.State == OK:
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
			line(a.log.Warn, "channel "+string(c.State), "channel", c.Channel, "err", c.Error)
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
