package broker

import (
	"sync/atomic"

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
	case qos == 0 && s.conn.waiting() > w.b.outLimit(maxOutQoS0):
		w.b.drop(&w.b.count.slow)
	case qos == 0:
		s.appendLocked(w, p, flags, 0, t.ids)
		w.touchLocked(s)
	case len(s.pending) == 0 && s.roomLocked():
		s.sendLocked(w, p, flags, t.ids)
		w.touchLocked(s)
	case s.held > w.b.outLimit(maxHeld):
		if s.conn.stop(mqtt.QuotaExceeded) {
			w.b.count.slowClosed.Add(1)
			w.b.log.Warn("client disconnected: too much waits for it", "client", s.id, "bytes", s.held)
		}
	default:
		s.holdLocked(p, flags, t.ids)
	}
}

// sendLocked sends a QoS 1 or 2 message of a session that is not persistent.
func (s *session) sendLocked(w *worker, p *publication, flags byte, ids []uint32) {
	id := s.freeID()
	if s.appendLocked(w, p, flags, id, ids) {
		s.inflight.push(sentMessage{id: id, qos: flags >> 1 & 3})
	}
}

// outLimit returns the limit per client: the usual one, or less when all together have
// too much waiting.
func (b *Broker) outLimit(usual int) int {
	if b.count.outBytes.Load() > maxOutTotal {
		return fairShare
	}
	return usual
}

// drop counts a message that was not delivered; the log reports it now and then.
func (b *Broker) drop(counter *atomic.Uint64) {
	counter.Add(1)
}

// appendLocked writes p to the connection's output. It reports false, and counts, when
// the client does not take packets of that size: the message is then as if delivered
// [MQTT-3.1.2-25, v5].
func (s *session) appendLocked(w *worker, p *publication, flags byte, id uint16, ids []uint32) bool {
	c := s.conn
	if len(ids) > 0 || c.aliases != nil {
		return s.appendOwnLocked(w, p, flags, id, ids)
	}
	e := w.encode(p, c.level, flags>>1&3)
	if len(e.frame) > c.maxPacketOut {
		w.b.count.tooLarge.Add(1)
		return false
	}
	out := c.out()
	at := len(out)
	out = append(out, e.frame...)
	out[at] = byte(mqtt.PUBLISH)<<4 | flags
	if id != 0 {
		out[at+e.idAt], out[at+e.idAt+1] = byte(id>>8), byte(id)
	}
	c.setOut(out)
	c.published++
	return true
}

// appendOwnLocked is appendLocked for a packet that is not the same for all: with
// subscription identifiers or topic aliases.
func (s *session) appendOwnLocked(w *worker, p *publication, flags byte, id uint16, ids []uint32) bool {
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
		return false
	}
	props, topic = c.aliases.use(props, topic)
	w.scratch = props
	c.setOut(mqtt.AppendPublish(c.out(), c.level, flags, topic, id, props, p.payload))
	c.published++
	return true
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
	for len(s.pending) > 0 && s.roomLocked() {
		h := &s.pending[0]
		switch p := h.publication(); {
		case p.expired(w.now):
			w.b.drop(&w.b.count.expired)
		case !w.b.permissions.Load().MayRead(s.who.Load(), h.route.topic):
			w.b.drop(&w.b.count.denied)
		default:
			s.sendLocked(w, &p, h.flags, h.ids)
			w.touchLocked(s)
		}
		s.unholdLocked()
	}
}
