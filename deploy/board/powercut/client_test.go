package powercut

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"sensorgate/internal/mqtt"
)

const (
	window = 4      // messages of a publisher on their way at one time
	subID  = 65_000 // packet id of every SUBSCRIBE
	giveUp = 2 * time.Minute
)

// client speaks for a party. It outlives its connections.
type client struct {
	led  *ledger
	p    *party
	net  string // "tcp" or "unix"
	addr string
	rnd  *rand.Rand // nil: it stays connected
	more int        // messages that it may still begin; -1: any number
	pong chan struct{}

	nc net.Conn
	rd *frames
}

var (
	errRestless = errors.New("connects anew")
	errRefused  = errors.New("not let in")
)

// run keeps the client connected until ctx ends. A restless one comes back at once, so that the disk is still busy
// with what it did before.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		clean := c.rnd != nil && c.p.name == "clean"
		if err := c.connection(ctx, clean); err != nil && !errors.Is(err, errRestless) {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

func (c *client) connection(ctx context.Context, clean bool) error {
	nc, err := (&net.Dialer{Timeout: giveUp}).DialContext(ctx, c.net, c.addr)
	if err != nil {
		return err
	}
	// One that is left open for the gateway to end it is closed with the run.
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	c.led.mu.Lock()
	c.nc, c.rd = nc, &frames{c: nc} // ping looks
	c.led.mu.Unlock()
	if err := c.hello(clean); err != nil {
		_ = nc.Close()
		return err
	}
	if err := nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		f, err := c.rd.next()
		if err != nil {
			_ = nc.Close()
			return err
		}
		answer, err := c.handle(f)
		if err != nil {
			if ctx.Err() == nil { // to whoever is about to leave a gateway that stops may say DISCONNECT
				c.fault("%v", err)
			}
			_ = nc.Close()
			return err
		}
		switch c.mood() {
		case stay:
			if err := c.send(answer); err != nil {
				return err
			}
		case leave:
			_ = nc.Close()
			return errRestless
		case answerAndLeave:
			_ = c.send(answer)
			_ = nc.Close()
			return errRestless
		case answerAndTakeOver:
			_ = c.send(answer)
			return errRestless
		}
	}
}

// mood is what a client does after a packet.
type mood int

const (
	stay mood = iota
	leave
	answerAndLeave
	answerAndTakeOver
)

func (c *client) mood() mood {
	if c.rnd == nil || c.rnd.IntN(10) != 0 {
		return stay
	}
	return mood(1 + c.rnd.IntN(3))
}

func (c *client) fault(format string, args ...any) {
	c.led.mu.Lock()
	defer c.led.mu.Unlock()
	c.led.faultf("%s: %s", c.p.name, fmt.Sprintf(format, args...))
}

func (c *client) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := c.nc.Write(b)
	return err
}

// hello connects and sends again what was on its way.
func (c *client) hello(clean bool) error {
	p := c.p
	c.led.mu.Lock()
	c.led.note(event{Who: p.name, Kind: connecting, Clean: clean})
	c.led.mu.Unlock()
	connect := &mqtt.Connect{Level: p.level, CleanStart: clean, ClientID: p.name}
	if p.level == mqtt.Level5 {
		connect.SessionExpiry, connect.RequestProblem = mqtt.SessionForever, true
	}
	if err := c.send(mqtt.AppendConnect(nil, connect)); err != nil {
		return err
	}
	if err := c.nc.SetReadDeadline(time.Now().Add(giveUp)); err != nil {
		return err
	}
	f, err := c.rd.next()
	if err != nil {
		return err
	}
	ack, err := mqtt.ParseConnack(f, p.level)
	if err != nil || ack.Reason != mqtt.Success {
		return fmt.Errorf("%w: %v %w", errRefused, ack.Reason, err)
	}
	c.led.mu.Lock()
	defer c.led.mu.Unlock()
	if !clean && !ack.SessionPresent && p.durable() {
		c.led.faultf("%s: its session is lost", p.name)
	}
	c.led.note(event{Who: p.name, Kind: connected, Clean: clean})
	out := p.again()
	if len(p.filters) > 0 && p.since <= p.ended || !ack.SessionPresent {
		out = append(out, p.subscribe()...)
	}
	return c.send(append(out, c.begin()...))
}

func (p *party) subscribe() []byte {
	if len(p.filters) == 0 {
		return nil
	}
	return mqtt.AppendSubscribe(nil, p.level, mqtt.Subscribe{ID: subID, Filters: p.filters})
}

// again is what was on its way when the last connection broke [MQTT-4.4.0-1].
func (p *party) again() (out []byte) {
	for _, o := range p.out {
		if o.released {
			out = mqtt.AppendAck(out, mqtt.PUBREL, p.level, o.id, mqtt.Success)
		} else {
			out = append(out, o.packet(p.level, true)...)
		}
	}
	return out
}

// begin publishes as many new messages as there is room for; the ledger is locked.
func (c *client) begin() (out []byte) {
	p := c.p
	for len(p.topics) > 0 && c.more != 0 && len(p.out) < window {
		topic := p.topics[0]
		if len(p.topics) > 1 && len(c.led.msgs[p.topics[1]]) < len(c.led.msgs[topic]) {
			topic = p.topics[1]
		}
		n := len(c.led.msgs[topic]) + 1
		clear := topic == topicKept && n%5 == 0
		c.led.note(event{Who: p.name, Kind: sending, Topic: topic, N: n, ID: p.freeID(), QoS: p.qos[topic], Clear: clear})
		out = append(out, p.out[len(p.out)-1].packet(p.level, false)...)
		if c.more > 0 {
			c.more--
		}
	}
	return out
}

// handle takes a packet and returns what to answer.
func (c *client) handle(f mqtt.Frame) ([]byte, error) {
	c.led.mu.Lock()
	defer c.led.mu.Unlock()
	p := c.p
	switch f.Type {
	case mqtt.SUBACK:
		_, codes, err := mqtt.ParseSuback(f, p.level)
		if err != nil || len(codes) != len(p.filters) || codes[0] >= mqtt.Unspecified {
			return nil, fmt.Errorf("SUBACK %v %w", codes, err)
		}
		c.led.note(event{Who: p.name, Kind: subscribed})
		return nil, nil
	case mqtt.PUBLISH:
		return c.published(f)
	case mqtt.PINGRESP:
		close(c.pong)
		return nil, nil
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP:
		answer, err := c.acknowledged(f)
		return append(answer, c.begin()...), err
	}
	return nil, fmt.Errorf("%v came", f.Type)
}

func (c *client) acknowledged(f mqtt.Frame) ([]byte, error) {
	p := c.p
	ack, err := mqtt.ParseAck(f, p.level)
	if err != nil || ack.Reason >= mqtt.Unspecified && ack.Reason != mqtt.PacketIDNotFound {
		return nil, fmt.Errorf("%v %v %w", f.Type, ack.Reason, err)
	}
	e := event{Who: p.name, ID: ack.ID}
	switch f.Type {
	case mqtt.PUBREL:
		e.Kind = released
		c.led.note(e)
		return mqtt.AppendAck(nil, mqtt.PUBCOMP, p.level, ack.ID, mqtt.Success), nil
	case mqtt.PUBREC:
		e.Kind = acked
		c.led.note(e)
		return mqtt.AppendAck(nil, mqtt.PUBREL, p.level, ack.ID, mqtt.Success), nil
	case mqtt.PUBACK:
		e.Kind = acked
	default:
		e.Kind = completed
	}
	c.led.note(e)
	return nil, nil
}

// published takes a message [MQTT-4.3.2-2, MQTT-4.3.3-2].
func (c *client) published(f mqtt.Frame) ([]byte, error) {
	p := c.p
	var m mqtt.Publish
	if err := mqtt.ParsePublish(f, p.level, &m); err != nil {
		return nil, err
	}
	n, err := number(m.Payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Topic, err)
	}
	c.led.note(event{Who: p.name, Kind: got, Topic: string(m.Topic), N: n, ID: m.ID, QoS: m.QoS})
	switch m.QoS {
	case 1:
		return mqtt.AppendAck(nil, mqtt.PUBACK, p.level, m.ID, mqtt.Success), nil
	case 2:
		return mqtt.AppendAck(nil, mqtt.PUBREC, p.level, m.ID, mqtt.Success), nil
	}
	return nil, fmt.Errorf("%s %d came at QoS 0", m.Topic, n)
}

// bulk is the size of a message on topicBulk: 35 of them are more than max_queued, in which thousands of the others
// have room.
const bulk = 60_000

// payload is a number and something behind it, so that queues that nobody empties are soon full.
func payload(topic string, n int, clear bool) []byte {
	if clear {
		return nil
	}
	size := 700
	switch topic {
	case topicExact:
		size = 2000 // 30 of them are more than the spool of who is gone
	case topicBulk:
		size = bulk
	}
	return []byte(strconv.Itoa(n) + " " + strings.Repeat("x", size))
}

func number(payload []byte) (int, error) {
	text, _, _ := bytes.Cut(payload, []byte(" "))
	return strconv.Atoi(string(text))
}

// frames cuts packets from a connection.
type frames struct {
	c    net.Conn
	buf  []byte
	used int // of buf, by the packet that next gave last
}

// next returns the next packet; it is valid until the call after.
func (r *frames) next() (mqtt.Frame, error) {
	r.buf = append(r.buf[:0], r.buf[r.used:]...)
	r.used = 0
	for {
		f, size, err := mqtt.NextFrame(r.buf, 1<<20)
		if err != nil {
			return f, err
		}
		if f.Raw != nil {
			r.used = size
			return f, nil
		}
		var more [4096]byte
		n, err := r.c.Read(more[:])
		if err != nil {
			return f, err
		}
		r.buf = append(r.buf, more[:n]...)
	}
}
