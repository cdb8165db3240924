package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

// exactPublisher publishes 0, 1, 2 … with QoS 2 and goes on after every lost
// connection as the standard says: what awaits PUBREC is sent again with its packet id
// and DUP, what awaits PUBCOMP with PUBREL [MQTT-4.4.0-1]. It is our own because the
// library at hand is not exact: Python's paho 1.6 publishes again what it had released
// when two attempts to connect follow each other.
type exactPublisher struct {
	port      int
	id, topic string

	mu       sync.Mutex
	sent     int
	stop     bool
	inFlight []exactMessage // in order
}

type exactMessage struct {
	n        int
	released bool // PUBREC came
}

const exactWindow = 20

func (m exactMessage) packetID() uint16 { return uint16(m.n%65535) + 1 }

// start publishes until stopped; the channel is closed when all is completed.
func (p *exactPublisher) start(t *testing.T) (done chan struct{}) {
	done = make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(done)
		for !p.finished() {
			select {
			case <-ended:
				return
			default:
			}
			if err := p.connection(); err != nil {
				time.Sleep(10 * time.Millisecond) // the gateway is dead
			}
		}
	}()
	t.Cleanup(func() { close(ended); <-done })
	return done
}

func (p *exactPublisher) finished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop && len(p.inFlight) == 0
}

// finish ends the publishing and returns how many messages there were.
func (p *exactPublisher) finish() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = true
	return p.sent
}

// connection lasts until the gateway is killed or everything is completed.
func (p *exactPublisher) connection() error {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
	if err != nil {
		return err
	}
	defer c.Close()
	out := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: p.id, KeepAlive: 10})
	if _, err := c.Write(out); err != nil {
		return err
	}
	r := &frameReader{r: bufio.NewReader(c)}
	f, err := r.next()
	if err != nil {
		return err
	}
	if ack, err := mqtt.ParseConnack(f, mqtt.Level311); err != nil || ack.Reason != mqtt.Success {
		return fmt.Errorf("connack %+v %w", ack, err)
	}
	if _, err := c.Write(p.again()); err != nil {
		return err
	}
	broken := make(chan error, 1)
	go func() { broken <- p.receive(c, r) }()
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		select {
		case err := <-broken:
			tick.Stop()
			return err
		case <-tick.C:
			if p.finished() {
				tick.Stop()
				c.Close()
				return <-broken
			}
			c.Write(p.next()) // a lost connection shows in receive
		}
	}
}

// again is what was on its way when the last connection broke.
func (p *exactPublisher) again() (out []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.inFlight {
		if m.released {
			out = mqtt.AppendAck(out, mqtt.PUBREL, mqtt.Level311, m.packetID(), mqtt.Success)
		} else {
			out = p.publish(out, m, true)
		}
	}
	return out
}

func (p *exactPublisher) publish(out []byte, m exactMessage, dup bool) []byte {
	return mqtt.AppendPublish(out, mqtt.Level311, mqtt.PublishFlags(2, dup, false), p.topic, m.packetID(), nil, []byte(strconv.Itoa(m.n)))
}

func (p *exactPublisher) next() (out []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop || len(p.inFlight) == exactWindow {
		return nil
	}
	m := exactMessage{n: p.sent}
	p.sent++
	p.inFlight = append(p.inFlight, m)
	return p.publish(nil, m, false)
}

func (p *exactPublisher) receive(c net.Conn, r *frameReader) error {
	for {
		f, err := r.next()
		if err != nil {
			return err
		}
		ack, err := mqtt.ParseAck(f, mqtt.Level311)
		if err != nil {
			return err
		}
		if out := p.acknowledged(f.Type, ack.ID); len(out) > 0 {
			c.Write(out)
		}
	}
}

func (p *exactPublisher) acknowledged(typ mqtt.Type, id uint16) (out []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.inFlight {
		m := &p.inFlight[i]
		if m.packetID() != id {
			continue
		}
		if typ == mqtt.PUBREC {
			m.released = true
			return mqtt.AppendAck(nil, mqtt.PUBREL, mqtt.Level311, id, mqtt.Success)
		}
		p.inFlight = append(p.inFlight[:i], p.inFlight[i+1:]...)
		return nil
	}
	return nil
}

// frameReader cuts packets from a connection.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

func (r *frameReader) next() (mqtt.Frame, error) {
	r.buf = r.buf[:0]
	for need := 2; ; {
		at := len(r.buf)
		r.buf = append(r.buf, make([]byte, need-at)...)
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			return mqtt.Frame{}, err
		}
		f, more, err := mqtt.NextFrame(r.buf, 1<<20)
		if err != nil || more == 0 || more <= len(r.buf) {
			return f, err
		}
		need = more
	}
}
