package broker

import (
	"sync/atomic"
	"time"

	"sensorgate/internal/mqtt"
)

// deliver sends p to a connected session: QoS 0 to any, QoS 1 and 2 to one that is not
// durable. It never blocks. QoS 0 that does not fit is dropped; more waits in memory up
// to a limit, and then the client is disconnected. Every drop is counted.
func (w *worker) deliver(p *publication, t *target, retain bool) {
	s, qos := t.session, min(p.qos, t.qos)
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := mqtt.PublishFlags(qos, false, retain)
	switch {
	case s.conn == nil:
		w.b.drop(&w.b.count.offline)
	case qos == 0:
		if s.conn.waiting() > maxOutQoS0 || s.appendLocked(w, p, flags, 0, t.ids) == noRoom {
			w.b.drop(&w.b.count.slow)
			return
		}
		w.touchLocked(s)
	case s.pending.count == 0 && s.maySendLocked() && s.sendLocked(w, p, flags, t.ids):
		w.touchLocked(s)
	case s.pending.push(s.account, p, flags, t.ids):
		s.retryLocked()
	default:
		if s.conn.stop(mqtt.QuotaExceeded) {
			w.b.count.slowClosed.Add(1)
			w.b.log.Warn("client disconnected: too much waits for it", "client", s.id, "bytes", s.pending.fee)
		}
	}
}

// retryLocked sees to it that what waits is sent although the client itself does nothing
// that would have us look again: nothing of it is under way, only the budget had no room.
func (s *session) retryLocked() {
	c := s.conn
	if c.retrying || c.waiting() > 0 || s.inflight.unacked > 0 {
		return
	}
	c.retrying = true
	time.AfterFunc(retryAfter, func() {
		s.mu.Lock()
		c.retrying = false
		s.mu.Unlock()
		c.writer.wake()
	})
}

const retryAfter = 100 * time.Millisecond

// sendLocked sends a QoS 1 or 2 message of a session that is not persistent; false if the
// budget has no room for it.
func (s *session) sendLocked(w *worker, p *publication, flags byte, ids []uint32) bool {
	before := s.nextID
	id := s.freeID()
	switch s.appendLocked(w, p, flags, id, ids) {
	case noRoom:
		s.nextID = before
		return false
	case appended:
		s.sentLocked(sentMessage{id: id, qos: flags >> 1 & 3})
	case tooLarge: // as if delivered
	}
	return true
}

// drop counts a message that was not delivered; the log reports it now and then.
func (b *Broker) drop(counter *atomic.Uint64) {
	counter.Add(1)
}

// outcome of an attempt to write a message to the output.
type outcome byte

const (
	appended outcome = iota
	tooLarge         // for this client, and counted: the message is as if delivered [MQTT-3.1.2-25, v5]
	noRoom           // in the budget
)

// appendLocked writes p to the connection's output.
func (s *session) appendLocked(w *worker, p *publication, flags byte, id uint16, ids []uint32) outcome {
	c := s.conn
	if len(ids) > 0 || c.aliases != nil {
		return s.appendOwnLocked(w, p, flags, id, ids)
	}
	e := w.encode(p, c.level, flags>>1&3)
	if len(e.frame) > c.maxPacketOut {
		w.b.count.tooLarge.Add(1)
		return tooLarge
	}
	if len(c.buf)+len(e.frame) > cap(c.buf) && !c.reserveLocked(len(e.frame)) {
		return noRoom
	}
	at := len(c.buf)
	out := append(c.buf, e.frame...)
	out[at] = byte(mqtt.PUBLISH)<<4 | flags
	if id != 0 {
		out[at+e.idAt], out[at+e.idAt+1] = byte(id>>8), byte(id)
	}
	c.buf = out // which had the room
	c.published[flags>>1&3]++
	return appended
}

// appendOwnLocked is appendLocked for a packet that is not the same for all: with
// subscription identifiers or topic aliases.
func (s *session) appendOwnLocked(w *worker, p *publication, flags byte, id uint16, ids []uint32) outcome {
	c := s.conn
	props := w.scratch[:0]
	if p.hasExpiry {
		props = mqtt.AppendExpiry(props, p.left(w.now))
	}
	props = append(props, p.props...)
	for _, id := range ids {
		props = mqtt.AppendSubscriptionID(props, id)
	}
	topic := p.route.topic
	size := func() int { return mqtt.PublishSize(c.level, flags>>1&3, len(topic), len(props), len(p.payload)) }
	// The longest form must fit, because an alias is set before the size is known.
	if size()+3 > c.maxPacketOut {
		w.b.count.tooLarge.Add(1)
		return tooLarge
	}
	if !c.reserveLocked(size() + 3) {
		return noRoom
	}
	props, topic = c.aliases.use(c.account, props, topic)
	w.scratch = props
	c.setOut(mqtt.AppendPublish(c.out(), c.level, flags, topic, id, props, p.payload))
	c.published[flags>>1&3]++
	return appended
}

// fillLocked sends what waits for a session that is not persistent, as far as there is room.
func (s *session) fillLocked(w *worker) {
	if s.conn == nil {
		return
	}
	if s.isPersistent() {
		s.catchUpLocked(w)
		return
	}
	for s.pending.count > 0 && s.maySendLocked() {
		m := s.pending.front(&w.waitingRoute)
		switch p := &m.publication; {
		case p.expired(w.now):
			w.b.drop(&w.b.count.expired)
		case !w.b.permissions.Load().MayRead(s.who.Load(), p.route.topic):
			w.b.drop(&w.b.count.denied)
		default:
			if !s.sendLocked(w, p, m.flags, m.ids) {
				s.retryLocked()
				return
			}
			w.touchLocked(s)
		}
		s.pending.pop(s.account, &m)
		if w.work += workOfItem + len(m.payload)>>10; w.timeIsUp() && s.pending.count > 0 {
			s.conn.writer.wake() // goes on in another turn
			return
		}
	}
}
