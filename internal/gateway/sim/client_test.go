package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// window is how many of its own messages a client has unacknowledged at most.
const window = 8

// client is an MQTT client on another machine: its memory survives whatever happens to the gateway. It speaks the
// protocol rightly, but is as slow, rude and forgetful as the script wants.
type client struct {
	w     *world
	name  string
	level byte

	keepAlive uint16              // it never pings, so the broker ends its connections now and then, if it is not 0
	pull      []mqtt.Subscription // what it subscribes to

	mu       sync.Mutex
	conn     *peerConn   // nil: not connected
	accepted bool        // CONNACK came
	want     bool        // connected as far as the script says
	n        int         // messages published
	queue    []*outgoing // not yet sent
	flight   []*outgoing // sent and not complete, in order
	nextID   uint16
	inbound  map[uint16]bool // QoS 2 messages that were taken and not released
	must     sessionState    // what the next CONNACK has to say
	lazy     time.Duration   // how late it acknowledges
	pullID   uint16
	pending  []string // filters of the SUBSCRIBE under way
	retains  map[string][]retainedValue
	refused  bool // the last CONNECT was refused, for want of room
	brief    bool // the last connection began with a clean start

	wills     bool // connections have wills
	willDelay uint32
	willQoS   byte

	expiry uint32    // seconds that sessions outlive their connection; 0: no end
	least  uint32    // the same of the CONNECTs since the last CONNACK, the shortest
	heard  time.Time // when the last byte came
	left   departure

	longer     bool // a CONNECT since the last CONNACK asked for more than least, and may have been heard
	unanswered bool // a CONNECT since the last CONNACK came when the session may have expired
}

type sessionState int

const (
	unsure sessionState = iota
	present
	absent
)

// outgoing is a message on its way from a client.
type outgoing struct {
	*message
	id       uint16
	payload  []byte
	retain   bool
	released bool // PUBREC came
	props    []byte
}

type retainedValue struct {
	payload string
	acked   bool
	m       *message
}

// peerConn is one connection of a client. Writing has a goroutine of its own, so that nobody waits while holding a lock.
type peerConn struct {
	e     *end
	asked int          // moment of a clean start's CONNECT
	clean bool         // this connection began with a clean start
	must  sessionState // what CONNACK has to say

	askedAt time.Time // when its CONNECT was sent
	will    *will     // of this connection; nil: none
	stalled bool      // it did not read for a while
	expiry  uint32    // of its session, in seconds; 0: none
	expires bool      // its session may have expired before
	expired bool      // its session must have expired before
	doubt   bool      // its session may have expired before a CONNECT that had no answer

	mu     sync.Mutex
	cond   *sync.Cond
	out    []byte
	closed bool
	stall  bool
}

func (l *peerConn) send(b []byte) {
	l.mu.Lock()
	l.out = append(l.out, b...)
	l.cond.Broadcast()
	l.mu.Unlock()
}

func (l *peerConn) close() {
	l.mu.Lock()
	l.closed = true
	l.cond.Broadcast()
	l.mu.Unlock()
	_ = l.e.Close()
}

func (l *peerConn) write() {
	for {
		l.mu.Lock()
		for len(l.out) == 0 && !l.closed {
			l.cond.Wait()
		}
		b := l.out
		l.out = nil
		closed := l.closed
		l.mu.Unlock()
		if len(b) == 0 && closed {
			return
		}
		if _, err := l.e.Write(b); err != nil {
			return
		}
	}
}

// waitUnstalled waits while the script wants the client not to read.
func (l *peerConn) waitUnstalled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = l.stalled || l.stall
	for l.stall && !l.closed {
		l.cond.Wait()
	}
}

// hasStalled reports whether the client has ever not read when it could.
func (l *peerConn) hasStalled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stalled
}

func (l *peerConn) setStall(yes bool) {
	l.mu.Lock()
	l.stall = yes
	l.cond.Broadcast()
	l.mu.Unlock()
}

func newClient(w *world, i int, r *rand.Rand) *client {
	c := &client{w: w, name: fmt.Sprintf("c%d", i), level: []byte{mqtt.Level311, mqtt.Level5}[r.IntN(2)], nextID: 1,
		inbound: map[uint16]bool{}, retains: map[string][]retainedValue{}}
	if i%3 == 1 {
		c.keepAlive = 30
	}
	// Some hear everything, most hear one or two others, and one always only the first.
	switch {
	case i == 0:
		c.pull = []mqtt.Subscription{{Filter: "t/c1/+", QoS: 2}}
	case r.IntN(4) == 0:
		c.pull = []mqtt.Subscription{{Filter: "t/#", QoS: byte(1 + r.IntN(2))}}
	default:
		c.pull = []mqtt.Subscription{{Filter: fmt.Sprintf("t/c%d/+", r.IntN(w.s.Clients)), QoS: byte(1 + r.IntN(2))}}
	}
	c.pull = append(c.pull, mqtt.Subscription{Filter: "cmd/#", QoS: 2})
	switch {
	case i > 0:
	case w.s.has("c", "will"):
		c.pull = append(c.pull, mqtt.Subscription{Filter: "w/#", QoS: 2})
	case w.s.has("device", ""):
		c.pull = append(c.pull, mqtt.Subscription{Filter: "n/+/v", QoS: 2})
	}
	return c
}

// connect opens a new connection, whatever became of the one before.
func (c *client) connect(clean bool) {
	e, err := c.w.net.connect()
	if err != nil {
		c.w.log("%s: %v", c.name, err)
		c.retry()
		return
	}
	l := &peerConn{e: e, clean: clean, askedAt: time.Now()}
	l.cond = sync.NewCond(&l.mu)
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.conn
	if old != nil {
		// It stays open: the server has to end it. This side does not listen to it any more.
		old.setStall(false)
	}
	c.conn, c.accepted, c.want = l, false, true
	p := &mqtt.Connect{Level: c.level, CleanStart: clean, ClientID: c.name, KeepAlive: c.keepAlive}
	if c.level == mqtt.Level5 {
		p.SessionExpiry, p.RequestProblem = c.sessionExpiryLocked(l), true
	}
	c.w.led.takesOver(c.name)
	p.Will = c.willLocked(l)
	if c.brief && c.level != mqtt.Level5 {
		for _, o := range c.flight { // their session ended with its connection
			c.w.led.resentAnew(o.message)
		}
		c.w.led.sessionEnded(c.name)
	}
	c.brief = clean
	l.must = c.must
	if l.expires && l.must == present {
		l.must = unsure
	}
	if c.must == absent {
		c.must = unsure // this one makes a session, also if its answer never comes
	}
	if clean {
		c.must = unsure
		c.w.led.sessionEnds(c.name)
		l.asked = c.w.led.cleanStart(c.name)
		for _, o := range c.flight { // whatever comes of it, the server may have forgotten these
			c.w.led.resentAnew(o.message)
		}
	}
	if !c.w.goUnlessOver(l.write, func() { c.read(l) }) { // the world may end between retry's look and this
		c.conn = nil
		l.close()
		return
	}
	l.send(mqtt.AppendConnect(nil, p))
	// What does not answer is given up.
	time.AfterFunc(10*time.Second, func() {
		c.mu.Lock()
		silent := c.conn == l && !c.accepted
		c.mu.Unlock()
		if silent {
			c.gone(l)
		}
	})
}

// retry connects again after a moment, if the script wants the client connected.
func (c *client) retry() {
	time.AfterFunc(200*time.Millisecond, func() {
		c.mu.Lock()
		again := c.want && c.conn == nil && !c.w.over()
		c.mu.Unlock()
		if again {
			c.connect(false)
		}
	})
}

// drop ends the connection without a word; the client stays away.
func (c *client) drop() {
	c.mu.Lock()
	l := c.conn
	c.conn, c.want = nil, false
	c.leftLocked(l, true)
	c.mu.Unlock()
	if l != nil {
		l.e.c.reset()
		l.close()
	}
}

// gone ends a connection that is over; the client comes back by itself.
func (c *client) gone(l *peerConn) {
	c.mu.Lock()
	mine := c.conn == l
	if mine {
		c.conn = nil
		c.leftLocked(l, !l.e.c.isHole())
	}
	c.mu.Unlock()
	l.close()
	if mine {
		c.retry()
	}
}

func (c *client) disconnect() {
	c.mu.Lock()
	l := c.conn
	c.conn, c.want = nil, false
	if l != nil && l.will != nil {
		c.w.led.willDisconnected(l.will, false)
	}
	c.mu.Unlock()
	if l != nil {
		l.send([]byte{byte(mqtt.DISCONNECT) << 4, 0})
		time.AfterFunc(time.Second, l.close)
	}
}

func (c *client) read(l *peerConn) {
	defer c.gone(l)
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		l.waitUnstalled()
		n, err := l.e.Read(chunk)
		buf = append(buf, chunk[:n]...)
		c.heardFrom(l, err)
		if err != nil {
			return
		}
		for {
			f, need, err := mqtt.NextFrame(buf, mqtt.MaxRemaining)
			if err != nil {
				c.w.led.fault("%s: malformed packet from the broker: %v", c.name, err)
				return
			}
			if f.Raw == nil {
				break
			}
			if !c.handle(l, f) {
				return
			}
			buf = buf[need:]
		}
	}
}

// handle does what a packet asks for; false ends the connection.
func (c *client) handle(l *peerConn, f mqtt.Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != l {
		return false // of a connection that was given up
	}
	switch f.Type {
	case mqtt.CONNACK:
		return c.connackLocked(l, f)
	case mqtt.SUBACK:
		c.subackLocked(f)
	case mqtt.PUBLISH:
		c.publishLocked(l, f)
	case mqtt.DISCONNECT:
		return false
	case mqtt.PINGRESP, mqtt.UNSUBACK:
	default:
		a, err := mqtt.ParseAck(f, c.level)
		if err != nil {
			c.w.led.fault("%s: %v: %v", c.name, f.Type, err)
			return false
		}
		c.ackLocked(l, f.Type, a)
	}
	return true
}

func (c *client) connackLocked(l *peerConn, f mqtt.Frame) bool {
	ack, err := mqtt.ParseConnack(f, c.level)
	if err != nil {
		c.w.led.fault("%s: CONNACK: %v", c.name, err)
		return false
	}
	if ack.Reason != mqtt.Success {
		c.w.log("%s: refused: %v", c.name, ack.Reason)
		c.refused = ack.Reason == mqtt.QuotaExceeded || c.level != mqtt.Level5
		return false
	}
	c.accepted, c.refused = true, false
	if c.w.led.willAccepted(c.name, l.will, l.askedAt); l.will != nil && c.w.disk.isOff() {
		c.w.led.willUnsure(l.will) // the answer was on its way when the power went
	}
	c.expiredLocked(l, ack.SessionPresent)
	switch {
	case l.clean:
		c.w.led.cleanStarted(c.name, l.asked)
		c.must = absent
		if c.level == mqtt.Level5 {
			c.must = unsure // the session goes on; it is sure with the next SUBACK
		}
		if ack.SessionPresent {
			c.w.led.fault("%s: session present after a clean start", c.name)
		}
		clear(c.inbound)
	case l.must == present && !ack.SessionPresent:
		c.w.led.fault("%s: its session is gone", c.name)
	case l.must == absent && ack.SessionPresent:
		c.w.led.fault("%s: the session that a clean start ended is back", c.name)
	}
	if !ack.SessionPresent {
		clear(c.inbound)
	}
	if !l.clean || c.level == mqtt.Level5 {
		c.must = unsure
		if ack.SessionPresent {
			c.must = present
		}
	}
	c.resendLocked(l, ack.SessionPresent)
	c.subscribeLocked(l, ack.SessionPresent && !l.clean)
	c.pumpLocked()
	return true
}

// resendLocked sends again what is not complete [MQTT-4.4.0-1].
func (c *client) resendLocked(l *peerConn, present bool) {
	var still []*outgoing
	for _, o := range c.flight {
		switch {
		case o.released && present:
			l.send(mqtt.AppendAck(nil, mqtt.PUBREL, c.level, o.id, mqtt.Success))
		case o.released:
			continue // it was taken; without a session nothing is left to do
		default:
			c.w.led.sentAgain(o.message)
			o.sent(c.w)
			if !present {
				c.w.led.resentAnew(o.message)
			}
			l.send(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(o.qos, present, o.retain), o.topic, o.id, o.props, o.payload))
		}
		still = append(still, o)
	}
	c.flight = still
}

func (c *client) subscribeLocked(l *peerConn, known bool) {
	if len(c.pull) == 0 || known && c.w.led.knows(c.name, c.pull) {
		return
	}
	c.pullID = 60000
	c.pending = c.pending[:0]
	for _, s := range c.pull {
		c.w.led.asking(c.name, s.Filter, s.QoS)
		c.pending = append(c.pending, s.Filter)
	}
	l.send(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: c.pullID, Filters: c.pull}))
}

func (c *client) subackLocked(f mqtt.Frame) {
	_, codes, err := mqtt.ParseSuback(f, c.level)
	if err != nil {
		c.w.led.fault("%s: SUBACK: %v", c.name, err)
		return
	}
	if c.conn.clean && c.level != mqtt.Level5 {
		return // the session is not durable
	}
	for i, code := range codes {
		if code <= 2 && i < len(c.pending) {
			c.w.led.subscribed(c.name, c.pending[i])
		}
	}
	c.must = present
}

func (c *client) publishLocked(l *peerConn, f mqtt.Frame) {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
		c.w.led.fault("%s: PUBLISH: %v", c.name, err)
		return
	}
	topic, payload := string(p.Topic), meterPayload(string(p.Topic), string(p.Payload))
	if !p.Retain {
		c.w.led.checkExpiry(c.name, payload, &p, c.level == mqtt.Level5, l.askedAt, c.w.judgedRun())
	}
	switch p.QoS {
	case 1:
		c.w.led.received(c.name, topic, payload, 1, p.Retain, false)
		c.answerLocked(l, mqtt.PUBACK, p.ID)
	case 2:
		if !c.inbound[p.ID] {
			c.inbound[p.ID] = true
			c.w.led.received(c.name, topic, payload, 2, p.Retain, false)
		} else {
			c.w.led.repeated(c.name, payload)
		}
		c.answerLocked(l, mqtt.PUBREC, p.ID)
	default:
		c.w.led.received(c.name, topic, payload, 0, true, false)
	}
}

// answerLocked acknowledges, at once or lazily.
func (c *client) answerLocked(l *peerConn, t mqtt.Type, id uint16) {
	b := mqtt.AppendAck(nil, t, c.level, id, mqtt.Success)
	if c.lazy == 0 {
		l.send(b)
		return
	}
	time.AfterFunc(c.lazy, func() { l.send(b) })
}

func (c *client) ackLocked(l *peerConn, t mqtt.Type, a mqtt.Ack) {
	if t == mqtt.PUBREL {
		delete(c.inbound, a.ID)
		c.answerLocked(l, mqtt.PUBCOMP, a.ID)
		return
	}
	for i, o := range c.flight {
		if o.id != a.ID {
			continue
		}
		refused := a.Reason >= mqtt.Unspecified
		switch {
		case t == mqtt.PUBREC && o.qos == 2 && !refused:
			o.released = true
			c.w.led.acked(o.message)
			l.send(mqtt.AppendAck(nil, mqtt.PUBREL, c.level, o.id, mqtt.Success))
			return
		case t == mqtt.PUBACK && o.qos == 1, t == mqtt.PUBREC && o.qos == 2:
			if refused {
				c.w.led.refusedMessage(o.message)
			} else {
				c.w.led.acked(o.message)
				c.noteRetained(o)
			}
		case t == mqtt.PUBCOMP && o.released:
		default:
			return
		}
		c.flight = append(c.flight[:i:i], c.flight[i+1:]...)
		c.pumpLocked()
		return
	}
}

func (c *client) noteRetained(o *outgoing) {
	for i := range c.retains[o.topic] {
		if c.retains[o.topic][i].m == o.message {
			c.retains[o.topic][i].acked = true
		}
	}
}

// publish queues messages of a QoS; they are sent as the window allows.
func (c *client) publish(count int, qos byte, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range count {
		c.queueLocked(fmt.Sprintf("t/%s/%d", c.name, qos), qos, size, false, false)
	}
	c.pumpLocked()
}

func (c *client) queueLocked(topic string, qos byte, size int, retain, empty bool) *outgoing {
	c.n++
	key := c.name + "-" + strconv.Itoa(c.n)
	payload := key + " " + strings.Repeat(".", size)
	if empty {
		payload = ""
	}
	m := &message{key: key, publisher: c.name, topic: topic, n: c.n, qos: qos, size: len(payload)}
	if retain {
		c.retains[topic] = append(c.retains[topic], retainedValue{payload: payload, m: m})
	}
	o := &outgoing{message: m, payload: []byte(payload), retain: retain}
	c.queue = append(c.queue, o)
	return o
}

// retain sets or clears a retained message of the client's own.
func (c *client) retain(i int, clearIt bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queueLocked(fmt.Sprintf("r/%s/%d", c.name, i), 1, 10, true, clearIt)
	c.pumpLocked()
}

// forbidden publishes where nobody may.
func (c *client) forbidden() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil || !c.accepted {
		return
	}
	c.conn.send(mqtt.AppendPublish(nil, c.level, 0, "x/"+c.name, 0, nil, []byte("forbidden")))
}

// pumpLocked sends what the window allows.
func (c *client) pumpLocked() {
	for c.conn != nil && c.accepted && len(c.flight) < window && len(c.queue) > 0 {
		o := c.queue[0]
		c.queue = c.queue[1:]
		if o.qos > 0 {
			o.id = c.freeIDLocked()
			c.flight = append(c.flight, o)
		}
		c.w.led.publishing(o.message)
		o.sent(c.w)
		c.conn.send(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(o.qos, false, o.retain), o.topic, o.id, o.props, o.payload))
	}
}

// freeIDLocked returns the lowest free packet id: ids are used again as soon as they may be.
func (c *client) freeIDLocked() uint16 {
	for id := uint16(1); ; id++ {
		free := true
		for _, o := range c.flight {
			free = free && o.id != id
		}
		if free {
			return id
		}
	}
}

func (c *client) unsubscribe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil || !c.accepted || len(c.pull) == 0 {
		return
	}
	c.w.led.unsubscribing(c.name, c.pull[0].Filter)
	c.conn.send(mqtt.AppendUnsubscribe(nil, c.level, 59999, []string{c.pull[0].Filter}))
}

func (c *client) subscribe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.accepted {
		c.subscribeLocked(c.conn, false)
	}
}

// hostile sends what no client should.
func (c *client) hostile(n int) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	e, err := c.w.net.connect()
	if err != nil {
		return
	}
	var b []byte
	if r.IntN(4) > 0 {
		b = mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, CleanStart: true, ClientID: "evil", KeepAlive: 1})
	}
	for range 1 + r.IntN(5) {
		switch r.IntN(4) {
		case 0:
			for range r.IntN(100) {
				b = append(b, byte(r.IntN(256)))
			}
		case 1:
			b = mqtt.AppendPublish(b, mqtt.Level5, byte(r.IntN(16)), strings.Repeat("a/", r.IntN(300)), uint16(r.IntN(4)), nil, []byte("h"))
		case 2:
			b = mqtt.AppendSubscribe(b, mqtt.Level5, mqtt.Subscribe{ID: uint16(r.IntN(3)), Filters: []mqtt.Subscription{{Filter: "#/" + strings.Repeat("+/", r.IntN(9)), QoS: byte(r.IntN(4))}}})
		case 3:
			b = append(b, byte(r.IntN(16))<<4, byte(r.IntN(256)), byte(r.IntN(256)))
		}
	}
	c.w.wg.Go(func() {
		_ = e.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = e.Write(b)
		_, _ = e.Read(make([]byte, 1000))
		_ = e.Close()
	})
}

// manyIDs connects with ever new and long client ids and leaves the sessions behind.
func (c *client) manyIDs(n int) {
	for i := range n {
		e, err := c.w.net.connect()
		if err != nil {
			return
		}
		id := fmt.Sprintf("%s-many-%d-%s", c.name, i, strings.Repeat("i", 900))
		b := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: id, KeepAlive: 30})
		c.w.wg.Go(func() {
			_ = e.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = e.Write(b)
			_, _ = e.Read(make([]byte, 1000))
			_ = e.Close()
		})
	}
}

func (c *client) halfOpen() {
	c.mu.Lock()
	l := c.conn
	c.mu.Unlock()
	if l != nil {
		if l.will != nil {
			c.w.led.willEnded(l.will, time.Now(), false)
		}
		l.e.c.blackhole()
		time.AfterFunc(15*time.Second, func() { c.gone(l) }) // the client's own keep-alive
	}
}

func (c *client) stall(yes bool) {
	c.mu.Lock()
	l := c.conn
	c.mu.Unlock()
	if l != nil {
		l.setStall(yes)
	}
}

func (c *client) setLazy(d time.Duration) {
	c.mu.Lock()
	c.lazy = d
	c.mu.Unlock()
}

// busy reports whether the client still waits for something of its own. One that is refused because other sessions
// have all the room knows where it stands.
func (c *client) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused && c.w.s.crowded() {
		return false
	}
	return !c.accepted || len(c.flight) > 0 || len(c.queue) > 0
}
