package sim

import (
	"io"
	"strings"
	"time"

	"sensorgate/internal/mqtt"
)

// Nothing expires that is not old by the clock that runs while the gateway does, whatever the wall clock says: sessions of
// an hour and messages of an hour outlive every run of a script. What lives for two seconds may be gone after them, and
// is not delivered later by the same run of the gateway.

const hour = 3600 // seconds

// brief reports whether the message may vanish by its age.
func (m *message) brief() bool { return m.expiry > 0 && m.expiry < hour*time.Second }

// sent notes a sending, from which the broker counts the age.
func (o *outgoing) sent(w *world) {
	run := w.lives()
	if o.sending.IsZero() {
		o.first, o.life = time.Now(), run
	}
	o.sending = time.Now()
	if run != o.life {
		o.life = 0 // an earlier run may have it too
	}
}

// judgedRun returns the run of the gateway, or -1 if the script steps the clock.
func (w *world) judgedRun() int {
	if w.s.has("gateway", "clock") {
		return -1
	}
	return w.lives()
}

// publishExpiring publishes messages that expire after an hour, or after two seconds. Those of MQTT 3.1.1 do not.
func (c *client) publishExpiring(n int) {
	seconds := uint32(hour)
	if n%2 == 1 {
		seconds = 2
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 1 + n/2%3 {
		qos := byte(1 + n%3/2)
		o := c.queueLocked("t/"+c.name+"/"+string('0'+rune(qos)), qos, 10, false, false)
		if c.level == mqtt.Level5 {
			o.expiry, o.props = time.Duration(seconds)*time.Second, mqtt.AppendExpiry(nil, seconds)
		}
	}
	c.pumpLocked()
}

// checkExpiry looks at a message that a client of the gateway got on a connection begun at since, in a run of the
// gateway. Broker and bridge stamp what they get by the clock of the bubble, which the script cannot step: where it steps
// the journal's, run is -1, and what comes too late is no fault.
func (l *ledger) checkExpiry(name, payload string, p *mqtt.Publish, five bool, since time.Time, run int) {
	key, _, _ := strings.Cut(payload, " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs[key]
	if m == nil || m.expiry == 0 {
		return
	}
	if m.brief() {
		if late := since.Sub(m.sending); !p.Dup && m.life == run && late > m.expiry+time.Second {
			l.faultLocked("%s: received %s, which had expired %v before it came to ask: clock", name, key, late-m.expiry)
		}
		return
	}
	age := time.Since(m.first)
	left := time.Duration(p.Expiry) * time.Second
	if five && (!p.HasExpiry || left < m.expiry-age-2*time.Second || left > m.expiry) {
		l.faultLocked("%s: received %s with %v left (%v) of %v, and it is %v old: clock", name, key, left, p.HasExpiry, m.expiry, age)
	}
}

// departure is how a client was last disconnected.
type departure struct {
	at   time.Time // the gateway saw it then; zero: nobody knows when
	life int
}

// setSession has the client's next sessions end after a time without connection: never, after an hour or two seconds.
func (c *client) setSession(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level == mqtt.Level5 {
		c.expiry = []uint32{0, hour, 2}[n%3]
	}
}

// sessionExpiryLocked returns the interval for a CONNECT, and notes what its CONNACK may have to say.
func (c *client) sessionExpiryLocked(l *peerConn) uint32 {
	if limit := time.Duration(c.least) * time.Second; limit > 0 {
		l.expires = time.Since(c.heard) > limit-500*time.Millisecond
		l.expired = !c.left.at.IsZero() && c.left.life == c.w.lives() && !c.longer && time.Since(c.left.at) > limit+time.Second
		c.longer = c.longer || c.expiry == 0 || c.expiry > c.least
	}
	if l.expires { // the server may have forgotten all that was under way
		for _, o := range c.flight {
			c.w.led.resentAnew(o.message)
		}
		c.w.led.sessionEnded(c.name)
	}
	c.left, l.expiry, l.doubt = departure{}, c.expiry, c.unanswered
	c.unanswered = c.unanswered || l.expires
	if c.expiry == 0 {
		return mqtt.SessionForever
	}
	if c.least == 0 || c.expiry < c.least {
		c.least = c.expiry
	}
	return c.expiry
}

// expiredLocked takes note of a CONNACK: whether the session is there that may have expired.
func (c *client) expiredLocked(l *peerConn, is bool) {
	c.least, c.unanswered, c.longer = l.expiry, false, false
	switch {
	case l.clean:
	case is && l.expired:
		c.w.led.fault("%s: its session is there that has expired: clock", c.name)
	case !is && l.expires:
		asked := c.w.led.cleanStart(c.name)
		c.w.led.cleanStarted(c.name, asked)
		c.must = unsure
	case l.doubt: // a CONNECT without an answer may have made it anew
		c.w.led.uncertain(c.name)
		clear(c.inbound)
	}
}

// uncertain notes that a session may have lost its subscriptions.
func (l *ledger) uncertain(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.subscriberLocked(name).subs {
		i.from, i.till = 0, 0
	}
}

// leftLocked notes that a connection has ended for its client, without DISCONNECT. seen says that the gateway sees it too.
func (c *client) leftLocked(l *peerConn, seen bool) {
	if l == nil {
		return
	}
	since := time.Now()
	if l.hasStalled() {
		since = c.heard
	}
	if seen {
		c.left = departure{time.Now(), c.w.lives()}
	}
	if l.will != nil {
		c.w.led.willEnded(l.will, since, seen)
	}
}

// heardFrom notes what reading a connection gave.
func (c *client) heardFrom(l *peerConn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == l && err == nil {
		c.heard = time.Now()
	}
	if c.conn == nil && err == io.EOF && l.will != nil {
		if c.w.led.willDisconnected(l.will, true); c.w.disk.isOff() {
			c.w.led.willUnsure(l.will)
		}
	}
}

// away ends the client's connection; it comes back after a time.
func (c *client) away(d time.Duration) {
	c.drop()
	time.AfterFunc(d, func() {
		c.mu.Lock()
		stays := c.conn == nil && !c.want
		c.mu.Unlock()
		if stays && !c.w.over() {
			c.connect(false)
		}
	})
}
