package sim

import (
	"fmt"
	"sort"
	"time"

	"sensorgate/internal/mqtt"
)

// A will is promised from the answer to its CONNECT on, but for the window of the journal's commit. It is published once,
// if its client's connection ends without DISCONNECT: at once, or after its delay unless the client is back before. Who is
// connected when the power goes has lost its connection too.
//
// Client and broker do not see the same moments, so much stays open: what is judged is what both must agree on.
type will struct {
	*message
	delay    time.Duration
	accepted time.Time // CONNACK; zero: none came
	ended    time.Time // the connection ended, for its client; zero: not yet
	gone     int       // moment of that, or of the CONNECT that took it over; 0: not yet
	seen     time.Time // by then the gateway has seen it too; zero: nobody knows
	restored bool      // the gateway sees it as soon as it runs again
	said     bool      // DISCONNECT was sent
	decided  time.Time
	fate     fate
}

type fate int

const (
	open  fate = iota
	must       // it is published
	void       // it is not
	maybe      // nobody can say
)

func (w *will) decide(f fate) {
	if w.fate == open {
		w.fate, w.decided = f, time.Now()
	}
}

// noticed is how long the gateway may take to see a connection's end, and to publish because of it.
const noticed = 500 * time.Millisecond

// powerOff notes that the gateway is without power or was killed: what it had not yet written is lost.
func (w *will) powerOff(now time.Time, window time.Duration) {
	switch {
	case w.fate == void && now.Sub(w.decided) < window:
		w.fate = maybe // nobody need know of the DISCONNECT any more, or of who came back
	case w.accepted.IsZero() || w.fate == maybe || w.fate == void:
	case now.Sub(w.accepted) < window:
		w.fate = maybe // it may not be kept
	}
}

// runEnded notes that the gateway has ended, and all connections with it. Delays begin anew with its next run.
func (l *ledger) runEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wills {
		if w.fate != open || w.accepted.IsZero() {
			continue
		}
		if w.ended.IsZero() {
			w.ended = time.Now()
		}
		w.goneLocked(l)
		w.seen, w.restored = time.Time{}, true
	}
}

func (w *will) goneLocked(l *ledger) {
	if w.gone == 0 {
		w.gone = l.now()
	}
}

// takesOver notes a CONNECT: the connections before may end with it.
func (l *ledger) takesOver(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wills {
		if w.publisher == name {
			w.goneLocked(l)
		}
	}
}

// setWill has the client's next connections carry a will.
func (c *client) setWill(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wills, c.willDelay, c.willQoS = n%4 > 0, uint32(max(0, n%4-1)), byte(1+n/4%2)
	if c.level != mqtt.Level5 {
		c.willDelay = 0
	}
}

// willLocked makes the will of a new connection.
func (c *client) willLocked(l *peerConn) *mqtt.Will {
	if !c.wills {
		return nil
	}
	c.n++
	m := &message{key: fmt.Sprintf("%s-%d", c.name, c.n), publisher: c.name, topic: fmt.Sprintf("w/%s/%d", c.name, c.willQoS), n: c.n, qos: c.willQoS}
	l.will = &will{message: m, delay: time.Duration(c.willDelay) * time.Second}
	if c.expiry > 0 {
		l.will.delay = min(l.will.delay, time.Duration(c.expiry)*time.Second)
	}
	c.w.led.willSet(l.will)
	c.w.log("%s: will %s", c.name, m.key)
	return &mqtt.Will{Topic: m.topic, Payload: []byte(m.key + " will"), QoS: m.qos, Delay: c.willDelay}
}

func (l *ledger) willSet(w *will) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.begun, w.will = l.now(), true
	l.msgs[w.key] = w.message
	l.list = append(l.list, w.message)
	l.wills = append(l.wills, w)
}

// sessionEnds notes a CONNECT with a clean start: a will that waits is published with the end of the session
// (3.1.3.2.2, v5), but the CONNECT may not arrive.
func (l *ledger) sessionEnds(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wills {
		if w.publisher == name && w.delay > 0 {
			w.decide(maybe)
		}
	}
}

// willAccepted notes the CONNACK of a connection, with its will if it has one: it decides about those of the client's
// connections before. asked is when its CONNECT was sent.
func (l *ledger) willAccepted(name string, own *will, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, w := range l.wills {
		if w.restored && w.fate == open && w.publisher != name {
			w.seen, w.restored = now, false // it runs
		}
		switch {
		case w == own || w.publisher != name || w.fate != open:
		case w.accepted.IsZero():
			w.decide(maybe)
		case w.delay == 0:
			w.decide(must) // taken over, at the latest
			w.seen = now
			if w.ended.IsZero() {
				w.ended = now
			}
		case w.ended.IsZero() || now.Before(w.ended.Add(w.delay)):
			w.decide(void)
		case !w.seen.IsZero() && asked.After(w.seen.Add(w.delay+noticed)):
			w.decide(must)
		default:
			w.decide(maybe)
		}
	}
	if own != nil {
		own.accepted = now
	}
}

// willEnded notes the end of a connection without DISCONNECT, which may have come at the earliest at since. seen says
// that the gateway knows it.
func (l *ledger) willEnded(w *will, since time.Time, seen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if w.ended.IsZero() {
		w.ended = since
	}
	w.goneLocked(l)
	if seen && w.seen.IsZero() {
		w.seen = now
	}
	if w.delay == 0 && seen && !w.accepted.IsZero() {
		w.decide(must)
	}
}

// willDisconnected notes that DISCONNECT was sent; heeded, that the gateway ended the connection because of it.
func (l *ledger) willDisconnected(w *will, heeded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if heeded {
		if w.fate == maybe && w.said {
			w.fate, w.decided = void, time.Now()
		}
		return
	}
	if w.fate == open {
		w.decide(maybe)
		w.said = true
	}
}

// mayComeAgain reports whether the message is a will whose connection ended before the power went: the cut may have come
// between its publication and the end of what a restart needs of it.
func (l *ledger) mayComeAgain(m *message) bool {
	for _, w := range l.wills {
		if w.message == m {
			return w.gone != 0 && l.off > w.gone
		}
	}
	return false
}

// willUnsure notes that nobody can say what becomes of a will.
func (l *ledger) willUnsure(w *will) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.fate = maybe
}

// willsOver ends the wills of those that are still connected: nobody waits for them.
func (l *ledger) willsOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wills {
		w.decide(maybe)
	}
}

// judgeWills makes of those that had to be published messages like others, and names those that had not to be.
func (l *ledger) judgeWills() {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, 0, len(l.subs))
	for n := range l.subs {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, w := range l.wills {
		switch w.fate {
		case must:
			w.acked = l.now()
		case void:
			for _, n := range names {
				if l.subs[n].got[w.key] > 0 {
					l.faultLocked("%s: received the will %s, and its client had disconnected or was back in time: will", n, w.key)
				}
			}
		}
	}
}
