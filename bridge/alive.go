package bridge

import (
	"time"
)

// silenceMax bounds how long a connection may be dead before that is noticed; 1.5 keep-alives
// are the other bound, as the upstream has it (3.1.2.10).
const silenceMax = 30 * time.Second

// stallTimeout: an upstream that answers pings but acknowledges nothing is connected to
// anew; that makes it look at the messages again.
const stallTimeout = 2 * time.Minute

// check looks at the signs of life and asks for one where they are missing.
func (c *connection) check(now time.Time) error {
	c.mu.Lock()
	heard, count, progress, busy, err := c.heard, c.count, c.progress, c.flight.count > 0, c.err
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.b.clock.look(c.b.opt.Queue.Last, now.Round(0), now)
	half := c.pingEvery()
	if count != c.pingCount {
		c.pinged = time.Time{} // any packet is a sign of life
	}
	switch {
	case busy && now.Sub(progress) >= stallTimeout:
		return errStalled
	case !c.pinged.IsZero():
		if now.Sub(c.pinged) >= half && !c.moving(now) {
			return errSilence
		}
	case now.Sub(heard) >= half || now.Sub(c.wrote) >= half:
		c.out.ping()
		c.pinged, c.pingCount = now, count
	}
	return nil
}

// moving reports whether the peer's TCP is still taking what we wrote: on a slow line a
// large message may be under way for longer than a ping may take. The kernel ends the
// connection if it stops (TCP_USER_TIMEOUT).
func (c *connection) moving(now time.Time) bool {
	n, ok := outstanding(c.conn)
	if !ok || n == 0 {
		return false
	}
	c.pinged = now
	return true
}

// pingEvery is half of the time a connection may be quiet: one half to ask, one half to wait for the answer.
func (c *connection) pingEvery() time.Duration {
	limit := c.b.quiet
	if c.keepAlive > 0 { // 0: the upstream wants no sign of life, but we do
		limit = min(limit, c.keepAlive*3/2)
	}
	return max(time.Second, limit/2)
}

// sleep returns how long the sender may wait for something to happen.
func (c *connection) sleep(now time.Time) time.Duration {
	c.mu.Lock()
	heard := c.heard
	c.mu.Unlock()
	next := heard
	if c.wrote.Before(next) {
		next = c.wrote
	}
	if !c.pinged.IsZero() {
		next = c.pinged
	}
	d := next.Add(c.pingEvery()).Sub(now)
	if !c.repeatOnlineAt.IsZero() {
		d = min(d, c.repeatOnlineAt.Sub(now))
	}
	if !c.out.retry.IsZero() {
		d = min(d, c.out.retry.Sub(now))
	}
	if c.rateWait > 0 {
		d = min(d, c.rateWait)
	}
	if c.stopping {
		d = min(d, c.stopBy.Sub(now))
	}
	return max(d, time.Millisecond)
}
