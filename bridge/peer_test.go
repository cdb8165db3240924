package bridge

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/mqtt"
)

// peer is an upstream that does what the test says, packet by packet. It lives in a
// synctest bubble: a packet that does not come is a deadlock the test hears of, or
// costs virtual time only.
type peer struct {
	t     *testing.T
	level byte
	dials chan dialed

	mu   sync.Mutex
	down map[string]bool // hosts that refuse

	conn net.Conn
	in   *packetReader
	id   uint16
}

type dialed struct {
	conn net.Conn
	host string
	at   time.Time
}

func newPeer(t *testing.T, level byte) *peer {
	return &peer{t: t, level: level, dials: make(chan dialed, 100), down: map[string]bool{}}
}

// serve connects a gateway to the peer and runs it.
func (p *peer) serve(g *gateway) (stop func()) {
	g.bridge.dial = func(_ context.Context, u *url.URL) (net.Conn, error) {
		p.mu.Lock()
		down := p.down[u.Hostname()]
		p.mu.Unlock()
		if down {
			return nil, errors.New("connection refused")
		}
		ours, theirs := net.Pipe()
		p.dials <- dialed{theirs, u.Hostname(), time.Now()}
		return ours, nil
	}
	p.t.Cleanup(func() {
		if p.conn != nil {
			p.conn.Close()
		}
	})
	return g.run()
}

// refuse makes a host refuse connections, or take them again.
func (p *peer) refuse(host string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[host] = down
}

// accept takes the next connection up to its CONNECT.
func (p *peer) accept() (*mqtt.Connect, dialed) {
	p.t.Helper()
	d := <-p.dials
	p.conn, p.in = d.conn, newPacketReader(d.conn, mqtt.MaxRemaining)
	c, err := mqtt.ParseConnect(p.next(mqtt.CONNECT))
	if err != nil {
		p.t.Fatal(err)
	}
	return c, d
}

// welcome accepts a connection and says yes.
func (p *peer) welcome(ack mqtt.Connack) *mqtt.Connect {
	p.t.Helper()
	c, _ := p.accept()
	p.write(mqtt.AppendConnack(nil, p.level, &ack))
	synctest.Wait() // what is published from now on is live
	return c
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("the bridge does not take what the upstream sends: %v", err)
	}
}

func (p *peer) next(want mqtt.Type) mqtt.Frame {
	p.t.Helper()
	f, err := p.in.next()
	if err != nil {
		p.t.Fatalf("waiting for %v: %v", want, err)
	}
	if f.Type != want {
		p.t.Fatalf("the bridge sent %v, want %v", f.Type, want)
	}
	return f
}

// publish takes a PUBLISH, answering pings on the way.
func (p *peer) publish() (m mqtt.Publish, props *mqtt.PublishProperties) {
	p.t.Helper()
	for {
		f, err := p.in.next()
		if err != nil {
			p.t.Fatalf("waiting for PUBLISH: %v", err)
		}
		if f.Type == mqtt.PINGREQ {
			p.write([]byte{byte(mqtt.PINGRESP) << 4, 0})
			continue
		}
		if f.Type != mqtt.PUBLISH {
			p.t.Fatalf("the bridge sent %v, want PUBLISH", f.Type)
		}
		if err := mqtt.ParsePublish(f, p.level, &m); err != nil {
			p.t.Fatal(err)
		}
		if props, err = mqtt.ParsePublishProperties(m.Forward(nil)); err != nil {
			p.t.Fatal(err)
		}
		m.Topic, m.Payload = append([]byte(nil), m.Topic...), append([]byte(nil), m.Payload...)
		return m, props
	}
}

// takes checks the next PUBLISH and acknowledges it.
func (p *peer) takes(topic, payload string) {
	p.t.Helper()
	m, _ := p.publish()
	if string(m.Topic) != topic || string(m.Payload) != payload {
		p.t.Fatalf("the bridge sent %s %q, want %s %q", m.Topic, m.Payload, topic, payload)
	}
	if m.QoS == 1 {
		p.ack(mqtt.PUBACK, m.ID, mqtt.Success)
	}
}

func (p *peer) ack(t mqtt.Type, id uint16, r mqtt.Reason) {
	p.t.Helper()
	p.write(mqtt.AppendAck(nil, t, p.level, id, r))
}

func (p *peer) subscribed() mqtt.Subscribe {
	p.t.Helper()
	s, err := mqtt.ParseSubscribe(p.next(mqtt.SUBSCRIBE), p.level)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(mqtt.AppendSuback(nil, mqtt.SUBACK, p.level, s.ID, make([]mqtt.Reason, len(s.Filters))))
	return s
}

// sends publishes to the bridge.
func (p *peer) sends(topic, payload string, qos byte, retain bool, props []byte) (id uint16) {
	p.t.Helper()
	p.id++
	p.write(mqtt.AppendPublish(nil, p.level, mqtt.PublishFlags(qos, false, retain), topic, p.id, props, []byte(payload)))
	return p.id
}

// idle answers pings for a while and fails at anything else.
func (p *peer) idle(d time.Duration) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(d))
	defer p.conn.SetReadDeadline(time.Time{})
	for {
		f, err := p.in.next()
		if err != nil {
			if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				p.t.Fatalf("the bridge hung up: %v", err)
			}
			return
		}
		if f.Type != mqtt.PINGREQ {
			p.t.Fatalf("the bridge sent %v where it should be idle", f.Type)
		}
		p.write([]byte{byte(mqtt.PINGRESP) << 4, 0})
	}
}

// hangsUp waits until the bridge gives up the connection, reading what it sends.
func (p *peer) hangsUp() {
	for {
		if _, err := p.in.next(); err != nil {
			return
		}
	}
}

// drops ends the connection without a word.
func (p *peer) drops() { p.conn.Close() }
