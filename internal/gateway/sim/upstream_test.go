package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// upstream is the broker that the gateway's bridge connects to. It keeps its session over everything.
type upstream struct {
	w *world

	mu      sync.Mutex
	conn    *peerConn
	session bool
	taken   map[uint16]bool // QoS 2 from the bridge, not released
	down    []*command      // to the bridge, not complete, in order
	n       int
	refuse  time.Time // until then nobody is let in
	deaf    time.Time // until then nothing is acknowledged
	wait    [][]byte  // acknowledgements held back
}

// command is a message on its way down.
type command struct {
	*message
	id       uint16
	released bool
	sent     bool
}

func newUpstream(w *world) *upstream { return &upstream{w: w, taken: map[uint16]bool{}} }

var errRefused = errors.New("connection refused")

func (u *upstream) dial(context.Context, *url.URL) (net.Conn, error) {
	u.mu.Lock()
	no := time.Now().Before(u.refuse)
	u.mu.Unlock()
	if no {
		return nil, errRefused
	}
	ours, theirs, _ := u.w.net.pair()
	if ours == nil {
		return nil, errRefused
	}
	l := &peerConn{e: theirs}
	l.cond = sync.NewCond(&l.mu)
	u.w.wg.Go(l.write)
	u.w.wg.Go(func() { u.serve(l) })
	return ours, nil
}

func (u *upstream) serve(l *peerConn) {
	defer l.close()
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := l.e.Read(chunk)
		buf = append(buf, chunk[:n]...)
		if err != nil {
			return
		}
		for {
			f, need, err := mqtt.NextFrame(buf, mqtt.MaxRemaining)
			if err != nil {
				u.w.led.fault("upstream: malformed packet from the bridge: %v", err)
				return
			}
			if f.Raw == nil {
				break
			}
			if !u.handle(l, f) {
				return
			}
			buf = buf[need:]
		}
	}
}

const level = mqtt.Level5

func (u *upstream) handle(l *peerConn, f mqtt.Frame) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.Type == mqtt.CONNECT {
		c, err := mqtt.ParseConnect(f)
		if err != nil {
			u.w.led.fault("upstream: malformed CONNECT: %v", err)
			return false
		}
		if u.conn != nil {
			u.conn.e.c.reset()
		}
		u.conn, u.wait = l, nil
		if c.CleanStart {
			u.session = false
			clear(u.taken)
		}
		l.send(mqtt.AppendConnack(nil, c.Level, &mqtt.Connack{SessionPresent: u.session}))
		u.session = !c.CleanStart
		for _, d := range u.down {
			d.sent = false
		}
		if u.session {
			u.sendDownLocked()
		}
		return true
	}
	if u.conn != l {
		return false
	}
	if *verbose {
		u.w.log("upstream: got %v % .24x", f.Type, f.Raw[:min(len(f.Raw), 24)])
	}
	switch f.Type {
	case mqtt.PINGREQ:
		l.send([]byte{byte(mqtt.PINGRESP) << 4, 0})
	case mqtt.SUBSCRIBE:
		s, _ := mqtt.ParseSubscribe(f, level)
		codes := make([]mqtt.Reason, len(s.Filters))
		for i := range codes {
			codes[i] = mqtt.Reason(s.Filters[i].QoS)
		}
		l.send(mqtt.AppendSuback(nil, mqtt.SUBACK, level, s.ID, codes))
		u.sendDownLocked()
	case mqtt.PUBLISH:
		return u.publishLocked(f)
	case mqtt.PUBREL:
		a, _ := mqtt.ParseAck(f, level)
		delete(u.taken, a.ID)
		u.answerLocked(mqtt.AppendAck(nil, mqtt.PUBCOMP, level, a.ID, mqtt.Success))
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBCOMP:
		a, _ := mqtt.ParseAck(f, level)
		u.ackLocked(f.Type, a)
	case mqtt.DISCONNECT:
		return false
	}
	return true
}

func (u *upstream) publishLocked(f mqtt.Frame) bool {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, level, &p); err != nil {
		u.w.led.fault("upstream: PUBLISH: %v", err)
		return false
	}
	topic := string(p.Topic)
	if p.QoS < 2 || !u.taken[p.ID] {
		if topic != "n/status" && topic != "n/status/gap" {
			payload := meterPayload(topic, string(p.Payload))
			u.w.led.checkExpiry("up", payload, &p, false, time.Now(), u.w.judgedRun())
			u.w.led.received("up", topic, payload, p.QoS, false, bytes.Contains(p.Props, []byte("gw-late")))
		}
	}
	switch p.QoS {
	case 1:
		u.answerLocked(mqtt.AppendAck(nil, mqtt.PUBACK, level, p.ID, mqtt.Success))
	case 2:
		u.taken[p.ID] = true
		u.answerLocked(mqtt.AppendAck(nil, mqtt.PUBREC, level, p.ID, mqtt.Success))
	}
	return true
}

// answerLocked acknowledges, unless the script wants it held back.
func (u *upstream) answerLocked(b []byte) {
	if !time.Now().Before(u.deaf) {
		u.conn.send(b)
		return
	}
	u.wait = append(u.wait, b)
}

// deafFor holds acknowledgements back for a while.
func (u *upstream) deafFor(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.deaf = time.Now().Add(d)
	time.AfterFunc(d, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, b := range u.wait {
			u.conn.send(b)
		}
		u.wait = nil
	})
}

// command queues messages for the gateway, at QoS 2 and 1 in turn.
func (u *upstream) command(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.session {
		return
	}
	for range n {
		u.n++
		key := fmt.Sprintf("up-%d", u.n)
		qos := byte(1 + u.n%2)
		m := &message{key: key, publisher: "up", topic: fmt.Sprintf("cmd/%d", qos), n: u.n, qos: qos, size: len(key)}
		u.down = append(u.down, &command{message: m, id: uint16(u.n%65535) + 1})
	}
	u.sendDownLocked()
}

func (u *upstream) sendDownLocked() {
	if u.conn == nil {
		return
	}
	for _, d := range u.down {
		if d.sent {
			continue
		}
		again := d.begun != 0
		d.sent = true
		if d.released {
			u.conn.send(mqtt.AppendAck(nil, mqtt.PUBREL, level, d.id, mqtt.Success))
			continue
		}
		if !again {
			u.w.led.publishing(d.message)
		} else {
			u.w.led.sentAgain(d.message)
		}
		u.conn.send(mqtt.AppendPublish(nil, level, mqtt.PublishFlags(d.qos, again, false), d.topic, d.id, nil, []byte(d.key)))
	}
}

func (u *upstream) ackLocked(t mqtt.Type, a mqtt.Ack) {
	for i, d := range u.down {
		if d.id != a.ID {
			continue
		}
		if t == mqtt.PUBREC && a.Reason < mqtt.Unspecified {
			d.released = true
			u.w.led.acked(d.message)
			u.conn.send(mqtt.AppendAck(nil, mqtt.PUBREL, level, d.id, mqtt.Success))
			return
		}
		switch {
		case t == mqtt.PUBREC || a.Reason >= mqtt.Unspecified:
			u.w.led.refusedMessage(d.message)
		case t == mqtt.PUBACK:
			u.w.led.acked(d.message)
		}
		u.down = append(u.down[:i:i], u.down[i+1:]...)
		return
	}
}

func (u *upstream) reset() {
	u.mu.Lock()
	l := u.conn
	u.mu.Unlock()
	if l != nil {
		l.e.c.reset()
	}
}

func (u *upstream) halfOpen() {
	u.mu.Lock()
	l := u.conn
	u.mu.Unlock()
	if l != nil {
		l.e.c.blackhole()
	}
}

func (u *upstream) refuseFor(d time.Duration) {
	u.mu.Lock()
	u.refuse = time.Now().Add(d)
	u.mu.Unlock()
	u.reset()
}
