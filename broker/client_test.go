package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// start runs a broker on a free port of the loopback and stops it with the test.
func start(t testing.TB, change ...func(*Options)) *Broker {
	t.Helper()
	b := create(t, change...)
	run(t, b)
	return b
}

func create(t testing.TB, change ...func(*Options)) *Broker {
	t.Helper()
	o := Options{Listeners: []Listener{{Network: "tcp", Address: "127.0.0.1:0"}}, Version: "test"}
	for _, f := range change {
		f(&o)
	}
	if o.Journal == nil {
		o.Journal = memoryJournal(t)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func memoryJournal(t testing.TB) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return runJournal(t, j)
}

func runJournal(t testing.TB, j *journal.Journal) *journal.Journal {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("journal:", err)
		}
	})
	return j
}

// run runs b until the test ends or stop is called.
func run(t testing.TB, b *Broker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error("Run:", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not return within 10 s of its context's end")
		}
	}
	t.Cleanup(stop)
	select {
	case <-b.Ready():
	case err := <-done:
		t.Fatal("Run:", err)
	}
	return stop
}

// client is one raw connection of a test.
type client struct {
	t     testing.TB
	nc    net.Conn
	level byte
	buf   []byte
	have  []byte // unread part of buf
}

func dial(t testing.TB, b *Broker, level byte) *client {
	t.Helper()
	nc, err := net.Dial("tcp", b.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, nc, level)
	t.Cleanup(func() { _ = nc.Close() })
	return c
}

func newClient(t testing.TB, nc net.Conn, level byte) *client {
	return &client{t: t, nc: nc, level: level, buf: make([]byte, 64<<10)}
}

// connect connects and wants success.
func connect(t testing.TB, b *Broker, level byte, id string, change ...func(*mqtt.Connect)) *client {
	t.Helper()
	c := dial(t, b, level)
	c.handshake(id, change...)
	return c
}

func (c *client) handshake(id string, change ...func(*mqtt.Connect)) mqtt.Connack {
	c.t.Helper()
	con := &mqtt.Connect{Level: c.level, ClientID: id, CleanStart: true}
	for _, f := range change {
		f(con)
	}
	c.write(mqtt.AppendConnect(nil, con))
	ack, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), c.level)
	if err != nil || ack.Reason != mqtt.Success {
		c.t.Fatalf("CONNACK for %q: %v, %v", id, ack.Reason, err)
	}
	return ack
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal("write:", err)
	}
}

// next reads one packet, copied.
func (c *client) next() (mqtt.Frame, error) {
	for {
		f, _, err := mqtt.NextFrame(c.have, mqtt.MaxRemaining)
		if err != nil {
			return f, err
		}
		if f.Raw != nil {
			c.have = c.have[len(f.Raw):]
			f.Raw, f.Body = bytes.Clone(f.Raw), bytes.Clone(f.Body)
			return f, nil
		}
		n := copy(c.buf, c.have)
		if n == len(c.buf) {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		m, err := c.nc.Read(c.buf[n:])
		c.have = c.buf[:n+m]
		if err != nil && m == 0 {
			return mqtt.Frame{}, err
		}
	}
}

// frame reads one packet and wants it to be of the type.
func (c *client) frame(want mqtt.Type) mqtt.Frame {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatalf("reading, want %v: %v", want, err)
	}
	if f.Type != want {
		c.t.Fatalf("got %v % x, want %v", f.Type, f.Raw, want)
	}
	return f
}

// message reads a PUBLISH.
func (c *client) message() mqtt.Publish {
	c.t.Helper()
	f := c.frame(mqtt.PUBLISH)
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// messageAnd reads a PUBLISH and a packet of another type, in any order.
func (c *client) messageAnd(other mqtt.Type) (p mqtt.Publish, o mqtt.Frame) {
	c.t.Helper()
	for range 2 {
		f, err := c.next()
		switch {
		case err != nil:
			c.t.Fatal(err)
		case f.Type == other:
			o = f
		case f.Type == mqtt.PUBLISH:
			if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
				c.t.Fatal(err)
			}
		default:
			c.t.Fatalf("got %v, want PUBLISH or %v", f.Type, other)
		}
	}
	return p, o
}

// want reads a PUBLISH and compares topic and payload.
func (c *client) want(topic, payload string) mqtt.Publish {
	c.t.Helper()
	p := c.message()
	if string(p.Topic) != topic || string(p.Payload) != payload {
		c.t.Fatalf("got %q on %q, want %q on %q", p.Payload, p.Topic, payload, topic)
	}
	return p
}

func (c *client) subscribe(filter string, qos byte) {
	c.t.Helper()
	c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: qos}}}))
	_, codes, err := mqtt.ParseSuback(c.frame(mqtt.SUBACK), c.level)
	if err != nil || len(codes) != 1 || codes[0] != mqtt.Reason(qos) {
		c.t.Fatalf("SUBACK for %q: %v, %v", filter, codes, err)
	}
}

func (c *client) publish(topic, payload string, qos byte, id uint16) {
	c.t.Helper()
	c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(qos, false, false), topic, id, nil, []byte(payload)))
}

func (c *client) ack(typ mqtt.Type, id uint16) {
	c.t.Helper()
	c.write(mqtt.AppendAck(nil, typ, c.level, id, mqtt.Success))
}

func (c *client) wantAck(typ mqtt.Type, id uint16) {
	c.t.Helper()
	a, err := mqtt.ParseAck(c.frame(typ), c.level)
	if err != nil || a.ID != id || a.Reason >= mqtt.Unspecified {
		c.t.Fatalf("got %v %+v (%v), want id %d", typ, a, err, id)
	}
}

// ping makes sure that all before it was handled, and nothing else came.
func (c *client) ping() {
	c.t.Helper()
	c.write([]byte{byte(mqtt.PINGREQ) << 4, 0})
	c.frame(mqtt.PINGRESP)
}

// closed wants the end of the connection.
func (c *client) closed() {
	c.t.Helper()
	f, err := c.next()
	if err == nil {
		c.t.Fatalf("got %v % x, want the connection closed", f.Type, f.Raw)
	}
	if err != io.EOF && !isReset(err) {
		c.t.Fatalf("got %v, want the connection closed", err)
	}
}

func isReset(err error) bool { return bytes.Contains([]byte(fmt.Sprint(err)), []byte("reset")) }

func (c *client) disconnect() {
	c.t.Helper()
	c.write(mqtt.AppendDisconnect(nil, c.level, mqtt.Success, ""))
	c.closed()
}

func persistent(con *mqtt.Connect) {
	con.CleanStart = false
	if con.Level == mqtt.Level5 {
		con.SessionExpiry = 3600
	}
}

var limitsForTest journal.Limits

const refuse = journal.Refuse
