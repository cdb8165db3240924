package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// simUpstream is an upstream broker with every vice that was met in the field. It keeps
// the state machine of a server (4.3) and a list of all it was given.
type simUpstream struct {
	level byte

	conns sync.WaitGroup

	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool // no more faults
	session  bool // it remembers us
	taken    map[uint16]bool
	lost     int // sessions that were lost while it held something of ours
	receipts []receipt
	retained map[string]string
	down     []*command // sent or to be sent to the bridge
	downID   uint16
	will     *mqtt.Will
	current  *simConn // a new connection throws off the old one [MQTT-3.1.4-2]
	faults   map[string]int
}

// receipt is one PUBLISH as the upstream counted it.
type receipt struct {
	topic, payload string
	qos            byte
	late           bool
}

// command is a message on its way down.
type command struct {
	payload string
	id      uint16
	acked   bool
}

// vice is what is wrong with one connection.
type vice struct {
	name    string
	after   int // packets, then it happens
	reason  mqtt.Reason
	recvMax uint16
	slow    time.Duration
}

var errSimRefused = errors.New("connection refused")

func newSimUpstream(seed uint64, level byte) *simUpstream {
	return &simUpstream{
		level: level,
		rng:   rand.New(rand.NewPCG(seed, 2)),
		taken: make(map[uint16]bool), retained: make(map[string]string), faults: make(map[string]int),
	}
}

var connackReasons = []mqtt.Reason{mqtt.UnsupportedVersion, mqtt.ClientIDNotValid, mqtt.BadUserNameOrPassword,
	mqtt.NotAuthorized, mqtt.ServerUnavailable, mqtt.ServerBusy, mqtt.Banned, mqtt.QuotaExceeded,
	mqtt.UseAnotherServer, mqtt.ServerMoved, mqtt.ConnectionRateExceeded, mqtt.Unspecified}

// choose picks what goes wrong with the next connection.
func (u *simUpstream) choose() vice {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.calm {
		return vice{name: "none"}
	}
	r := u.rng
	v := vice{after: r.IntN(60)}
	if r.IntN(4) == 0 {
		v.recvMax = uint16(1 + r.IntN(10))
	}
	names := []string{"none", "none", "none", "refuse", "silent", "connack", "reset", "deaf", "ackless", "twice",
		"forgetful", "takeover", "slow", "quota", "foreign"}
	v.name = names[r.IntN(len(names))]
	switch v.name {
	case "none":
		v.after *= 5
	case "connack":
		v.reason = connackReasons[r.IntN(len(connackReasons))]
	case "slow":
		v.slow = time.Duration(1+r.IntN(20)) * time.Second
	case "quota":
		if u.level != mqtt.Level5 {
			v.name = "none"
		}
	}
	u.faults[v.name]++
	return v
}

func (u *simUpstream) dial(ctx context.Context, _ *url.URL) (net.Conn, error) {
	v := u.choose()
	if v.name == "refuse" {
		return nil, errSimRefused
	}
	ours, theirs := net.Pipe()
	if v.name == "silent" {
		return ours, nil // nobody reads on the other side
	}
	u.conns.Go(func() { u.serve(theirs, v) })
	return ours, nil
}

// serve is one connection.
func (u *simUpstream) serve(conn net.Conn, v vice) {
	s := newPacketReader(conn, mqtt.MaxRemaining)
	c := &simConn{u: u, conn: conn, vice: v}
	var will *mqtt.Will
	defer func() {
		conn.Close()
		u.mu.Lock()
		defer u.mu.Unlock()
		if will != nil && u.will == will { // [MQTT-3.1.2-8]
			u.retained[will.Topic] = string(will.Payload)
			u.will = nil
		}
	}()
	f, err := s.next()
	if err != nil {
		return
	}
	connect, err := mqtt.ParseConnect(f)
	if err != nil || !c.accept(connect) {
		return
	}
	u.mu.Lock()
	u.will = connect.Will // of the one thrown off: overtaken by our "online" anyway
	will = connect.Will
	u.mu.Unlock()
	for n := 0; ; n++ {
		if f, err = s.next(); err != nil {
			return
		}
		if n >= v.after {
			switch v.name {
			case "none": // not even a good connection lives forever
				if !u.isCalm() {
					return
				}
			case "reset":
				conn.Write([]byte{byte(mqtt.PUBACK) << 4, 2, 0}) // half a packet
				return
			case "deaf":
				time.Sleep(30 * time.Minute) // reads no more, answers no more
				return
			case "takeover":
				conn.Write(mqtt.AppendDisconnect(nil, u.level, mqtt.SessionTakenOver, ""))
				return
			}
		}
		if v.name == "slow" {
			time.Sleep(v.slow)
		}
		if u.thrownOff(c) {
			return
		}
		if f.Type == mqtt.DISCONNECT {
			u.mu.Lock()
			u.will, will = nil, nil // [MQTT-3.14.4-3]
			u.mu.Unlock()
			return
		}
		if !c.handle(f, n) {
			return
		}
	}
}

func (u *simUpstream) isCalm() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calm
}

func (u *simUpstream) thrownOff(c *simConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.current != c
}

// simConn is the state of one connection.
type simConn struct {
	u    *simUpstream
	conn net.Conn
	vice vice
}

func (c *simConn) accept(connect *mqtt.Connect) bool {
	u := c.u
	ack := mqtt.Connack{}
	if c.vice.name == "connack" {
		ack.Reason = c.vice.reason
		c.conn.Write(mqtt.AppendConnack(nil, u.level, &ack))
		return false
	}
	u.mu.Lock()
	u.current = c
	if c.vice.name == "forgetful" || connect.CleanStart {
		if u.session {
			u.lost++
		}
		u.session = false
		clear(u.taken)
	}
	ack.SessionPresent = u.session
	u.session = !connect.CleanStart
	if !ack.SessionPresent {
		u.down = nil
	}
	u.mu.Unlock()
	if u.level == mqtt.Level5 {
		ack.ReceiveMaximum = c.vice.recvMax
	}
	return c.write(mqtt.AppendConnack(nil, u.level, &ack))
}

func (c *simConn) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	_, err := c.conn.Write(b)
	return err == nil
}

// handle does what a server does with a packet, as far as the vice lets it.
func (c *simConn) handle(f mqtt.Frame, n int) bool {
	u := c.u
	quiet := c.vice.name == "ackless" && n >= c.vice.after
	switch f.Type {
	case mqtt.PINGREQ:
		return c.write([]byte{byte(mqtt.PINGRESP) << 4, 0})
	case mqtt.SUBSCRIBE:
		s, _ := mqtt.ParseSubscribe(f, u.level)
		codes := make([]mqtt.Reason, len(s.Filters))
		return c.write(mqtt.AppendSuback(nil, mqtt.SUBACK, u.level, s.ID, codes)) && c.sendDown()
	case mqtt.PUBLISH:
		return c.publish(f, n, quiet)
	case mqtt.PUBREL:
		a, _ := mqtt.ParseAck(f, u.level)
		u.mu.Lock()
		thrownOff := u.current != c
		if !thrownOff {
			delete(u.taken, a.ID)
		}
		u.mu.Unlock()
		return !thrownOff && (quiet || c.ack(mqtt.PUBCOMP, a.ID, mqtt.Success))
	case mqtt.PUBACK:
		a, _ := mqtt.ParseAck(f, u.level)
		u.mu.Lock()
		for _, o := range u.down {
			if o.id == a.ID {
				o.acked = true
			}
		}
		u.mu.Unlock()
	}
	return true
}

func (c *simConn) publish(f mqtt.Frame, n int, quiet bool) bool {
	u := c.u
	var p mqtt.Publish
	if mqtt.ParsePublish(f, u.level, &p) != nil {
		panic("the bridge sent a malformed PUBLISH")
	}
	reason := mqtt.Success
	if c.vice.name == "quota" && n >= c.vice.after && p.QoS > 0 {
		reason = mqtt.QuotaExceeded
	} else if !u.receive(c, &p) {
		return false
	}
	switch {
	case quiet || p.QoS == 0:
		return true
	case p.QoS == 1:
		return c.ack(mqtt.PUBACK, p.ID, reason)
	}
	return c.ack(mqtt.PUBREC, p.ID, reason)
}

// ack answers; some upstreams say everything twice, or acknowledge what nobody sent.
func (c *simConn) ack(t mqtt.Type, id uint16, reason mqtt.Reason) bool {
	b := mqtt.AppendAck(nil, t, c.u.level, id, reason)
	switch c.vice.name {
	case "twice":
		b = append(b, b...)
	case "foreign":
		b = mqtt.AppendAck(b, mqtt.PUBACK, c.u.level, id+7000, mqtt.Success)
	}
	return c.write(b)
}

// receive counts a PUBLISH, a QoS 2 one only if it is not a repetition [MQTT-4.3.3-2]. false if
// the connection was closed, or thrown off, since the packet was read: a server handles nothing
// of it then.
func (u *simUpstream) receive(c *simConn, p *mqtt.Publish) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current != c {
		return false
	}
	if p.QoS == 2 {
		if u.taken[p.ID] {
			return true
		}
		u.taken[p.ID] = true
	}
	r := receipt{topic: string(p.Topic), payload: string(p.Payload), qos: p.QoS}
	if u.level == mqtt.Level5 {
		props, err := mqtt.ParsePublishProperties(p.Forward(nil))
		if err != nil {
			panic(err)
		}
		r.late = has(props, propLate)
	}
	const mark = "late/"
	if len(r.topic) > len(mark) && r.topic[:len(mark)] == mark {
		r.topic, r.late = r.topic[len(mark):], true
	}
	u.receipts = append(u.receipts, r)
	if p.Retain {
		u.retained[r.topic] = r.payload
	}
	return true
}

// command queues a message for the bridge.
func (u *simUpstream) command(payload string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.session {
		return // not subscribed, so it is for nobody
	}
	u.downID++
	u.down = append(u.down, &command{payload: payload, id: u.downID})
}

// sendDown delivers what waits for the bridge.
func (c *simConn) sendDown() bool {
	u := c.u
	u.mu.Lock()
	var b []byte
	for _, o := range u.down {
		if !o.acked {
			b = mqtt.AppendPublish(b, u.level, mqtt.PublishFlags(1, false, false), "cmd/x", o.id, nil, []byte(o.payload))
		}
	}
	u.mu.Unlock()
	return c.write(b)
}

// drop ends the connection without a word.
func (u *simUpstream) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current != nil {
		u.current.conn.Close()
		u.current = nil
	}
}
