package bridge

import (
	"time"

	"sensorgate/internal/mqtt"
)

// silenceMax bounds how long a link may be dead before that is noticed; 1.5 keep-alives
// are the other bound, as the upstream has it (3.1.2.10).
const silenceMax = 30 * time.Second

// stallTimeout: an upstream that answers pings but acknowledges nothing is connected to
// anew; that makes it look at the messages again.
const stallTimeout = 2 * time.Minute

// check looks at the signs of life and asks for one where they are missing.
func (l *link) check(now time.Time) error {
	l.mu.Lock()
	heard, count, progress, busy, err := l.heard, l.count, l.progress, l.flight.count > 0, l.err
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.b.clock.look(l.b.opt.Queue.Last, now.Round(0), now)
	half := l.pingEvery()
	if count != l.pingCount {
		l.pinged = time.Time{} // any packet is a sign of life
	}
	switch {
	case busy && now.Sub(progress) >= stallTimeout:
		return errStalled
	case !l.pinged.IsZero():
		if now.Sub(l.pinged) >= half && !l.moving(now) {
			return errSilence
		}
	case now.Sub(heard) >= half || now.Sub(l.wrote) >= half:
		l.out = append(l.out, byte(mqtt.PINGREQ)<<4, 0)
		l.pinged, l.pingCount = now, count
	}
	return nil
}

// moving reports whether the peer's TCP is still taking what we wrote: on a slow line a
// large message may be under way for longer than a ping may take. The kernel ends the
// connection if it stops (TCP_USER_TIMEOUT).
func (l *link) moving(now time.Time) bool {
	n, ok := outstanding(l.conn)
	if !ok || n == 0 {
		return false
	}
	l.pinged = now
	return true
}

// pingEvery is half of the time a link may be quiet: one half to ask, one half to wait for the answer.
func (l *link) pingEvery() time.Duration {
	limit := l.b.quiet
	if l.keepAlive > 0 { // 0: the upstream wants no sign of life, but we do
		limit = min(limit, l.keepAlive*3/2)
	}
	return max(time.Second, limit/2)
}

// sleep says how long the sender may wait for something to happen.
func (l *link) sleep(now time.Time) time.Duration {
	l.mu.Lock()
	heard := l.heard
	l.mu.Unlock()
	next := heard
	if l.wrote.Before(next) {
		next = l.wrote
	}
	if !l.pinged.IsZero() {
		next = l.pinged
	}
	d := next.Add(l.pingEvery()).Sub(now)
	if !l.sayAgain.IsZero() {
		d = min(d, l.sayAgain.Sub(now))
	}
	if l.rateWait > 0 {
		d = min(d, l.rateWait)
	}
	if l.stopping {
		d = min(d, l.stopBy.Sub(now))
	}
	return max(d, time.Millisecond)
}
