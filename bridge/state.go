package bridge

import (
	"fmt"
	"net/url"
	"time"
)

// State is what is known of a Bridge at one moment.
type State struct {
	Name      string
	Connected bool
	URL       string    // connected to, or tried last
	Since     time.Time // of Connected, or of its loss
	Err       string    // why not connected, or what is wrong although connected

	Waiting      uint64 // in the spool
	WaitingBytes int64
	Oldest       time.Time
	FullIn       time.Duration // until the spool is full at the present rate; 0: not filling

	Sent     uint64 // publications that the upstream has acknowledged
	Received uint64 // messages given to our broker
	Dropped  uint64 // lost on the way up: full or too old spool, expired, refused
	Connects uint64 // connections that the upstream accepted
	InFlight int64  // publications that wait for its acknowledgement

	// DroppedFor is Dropped by why: "full", "age", "damaged" of the spool, "expired",
	// "refused", "too large".
	DroppedFor map[string]uint64
	Ignored    uint64 // came down or by and were not wanted: echoes, loops, stale commands

	Will *Will // nil: the upstream has no status topic of ours, and gets no gap records
	Gaps Gaps
}

// Will is what the upstream publishes when the connection breaks, and what is published
// there while it stands.
type Will struct {
	Topic, Online, Offline string
	QoS                    byte
	Retain                 bool
}

// Gaps is what the upstream knows of the messages that it will never get.
type Gaps struct {
	Topic        string
	Total        uint64            // messages since the first start
	Unreported   uint64            // of these, those in no record that it acknowledged
	Why          map[string]uint64 // of Unreported
	Records      uint64            // that it acknowledged, since the start
	LastReported time.Time         // when it acknowledged the last of these; zero: none yet
}

// Status reports how the bridge does.
func (b *Bridge) Status() State {
	b.mu.Lock()
	s := b.state
	b.mu.Unlock()
	q := b.opt.Queue.Stats()
	s.Waiting, s.WaitingBytes, s.Oldest = q.Waiting, q.WaitingBytes, q.Oldest
	s.FullIn = fullIn(s, b.opt.SpoolSize, time.Now())
	s.Sent, s.Received, s.Ignored = b.sent.Load(), b.received.Load(), b.ignored.Load()
	s.Connects, s.InFlight = b.connects.Load(), b.inFlight.Load()
	s.DroppedFor = map[string]uint64{"full": q.DroppedFull, "age": q.DroppedAge, lostDamaged: q.Damaged, lostExpired: 0, lostRefused: 0, lostTooLarge: 0}
	b.mu.Lock()
	for why, n := range b.lost {
		s.DroppedFor[why] += n
	}
	b.mu.Unlock()
	for _, n := range s.DroppedFor {
		s.Dropped += n
	}
	if will := b.lastWill(); will != nil {
		s.Will, s.Gaps = will, b.gaps.state()
		s.Gaps.Topic = b.gapTopic()
	}
	return s
}

// lastWill is the will as the upstream takes it; nil: none.
func (b *Bridge) lastWill() *Will {
	o := b.opt.Status
	if o.Topic == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &Will{Topic: b.statusTopic(), Online: o.Online, Offline: o.Offline, QoS: 1, Retain: !b.will.noRetain}
	if b.will.noQoS {
		w.QoS = 0
	}
	return w
}

// fullIn takes what has come in since the connection was lost as the rate at which the spool
// fills.
func fullIn(s State, size int64, now time.Time) time.Duration {
	filling := now.Sub(s.Oldest)
	if s.Connected || size == 0 || s.WaitingBytes == 0 || filling < time.Second {
		return 0
	}
	left := float64(max(0, size-s.WaitingBytes)) / float64(s.WaitingBytes)
	return time.Duration(min(left*float64(filling), float64(10*365*24*time.Hour)))
}

func (b *Bridge) setState(change func(*State)) {
	b.mu.Lock()
	was := b.state
	change(&b.state)
	changed := was.Connected != b.state.Connected || was.Err != b.state.Err
	b.mu.Unlock()
	if changed && b.opt.Changed != nil {
		b.opt.Changed()
	}
}

// disconnected notes why there is no connection, and logs it once per reason: an
// upstream that is away for a week must not fill the card with log lines.
func (b *Bridge) disconnected(u *url.URL, err error) {
	text := fmt.Sprintf("upstream %s: %v", u.Redacted(), err)
	if b.backoff.fighting() {
		text += fmt.Sprintf(" (again and again: does another client use the client id %s?)", b.opt.ClientID)
	}
	var was State
	b.setState(func(s *State) {
		was = *s
		if s.Connected {
			s.Since = time.Now()
		}
		s.Connected, s.Err = false, text
	})
	if was.Connected || was.Err != text {
		b.log.Warn("upstream away", "err", text, "waiting", b.opt.Queue.Stats().Waiting)
	}
}

func (b *Bridge) connected(u *url.URL) {
	b.connects.Add(1)
	b.setState(func(s *State) { s.Connected, s.URL, s.Since, s.Err = true, u.Redacted(), time.Now(), "" })
	b.log.Info("upstream connected", "url", u.Redacted(), "waiting", b.opt.Queue.Stats().Waiting)
}

// warn logs once per kind and interval.
func (b *Bridge) warn(every time.Duration, kind, text string, args ...any) {
	now := time.Now()
	b.mu.Lock()
	quiet := now.Sub(b.warned[kind]) < every
	if !quiet {
		b.warned[kind] = now
	}
	b.mu.Unlock()
	if !quiet {
		b.log.Warn(text, args...)
	}
}

// lose counts a message that the upstream will never get, and owes it a gap record.
func (b *Bridge) lose(why string, at time.Time) {
	b.mu.Lock()
	b.lost[why]++
	b.mu.Unlock()
	b.gaps.lose(1, why, at)
}

// lostInSpool is called by the streams; the spool has counted these itself.
func (b *Bridge) lostInSpool(n uint64, before time.Time) { b.gaps.lose(n, lostSpool, before) }

func (b *Bridge) spoolUnreadable(err error) {
	b.warn(time.Minute, "spool", "spool unreadable", "err", err)
}
