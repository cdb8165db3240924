package broker

import (
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// handleAck does what a PUBACK, PUBREC, PUBREL or PUBCOMP asks for (4.3).
func (c *conn) handleAck(w *worker, typ mqtt.Type, a mqtt.Ack) error {
	s := c.session
	if typ == mqtt.PUBREL {
		c.handlePubrel(a)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return nil
	}
	m := s.inflight.find(a.ID)
	if m != nil && c.level != mqtt.Level5 && !m.answeredBy(typ) {
		return errAckKind
	}
	switch {
	case typ == mqtt.PUBREC && (m == nil || m.qos != 2):
		// 4.3.3, v5: an unknown id is answered as such, and the client can forget it.
		c.setOut(mqtt.AppendAck(c.out(), mqtt.PUBREL, c.level, a.ID, mqtt.PacketIDNotFound))
		c.packets++
	case m == nil:
		// Of an earlier connection, or twice: no harm.
	case typ == mqtt.PUBREC:
		c.handlePubrecLocked(m, a)
	case typ == mqtt.PUBACK && m.qos == 1:
		c.completeLocked(w, m)
	case typ == mqtt.PUBCOMP && m.state == sentPubrel:
		s.doneLocked(m)
	}
	return nil
}

var errAckKind = mqtt.NewError(mqtt.ProtocolError, "acknowledgement of another QoS than that of the message")

// answeredBy reports whether an acknowledgement is one that may come for m now (4.3);
// below level 5 another one is a fault that ends the connection [MQTT-4.8.0-1].
func (m *sentMessage) answeredBy(typ mqtt.Type) bool {
	switch typ {
	case mqtt.PUBACK:
		return m.qos == 1
	case mqtt.PUBREC:
		return m.qos == 2
	}
	return m.state == sentPubrel // PUBCOMP
}

// completeLocked takes an acknowledged message off. The journal hears of all that were
// acknowledged in this batch at its end.
func (c *conn) completeLocked(w *worker, m *sentMessage) {
	if m.seq != 0 {
		w.done = append(w.done, m.seq)
	}
	c.session.doneLocked(m)
}

func (c *conn) handlePubrecLocked(m *sentMessage, a mqtt.Ack) {
	s := c.session
	if a.Reason >= mqtt.Unspecified { // the client does not want it, and that ends it (4.3.3, v5)
		if m.seq != 0 {
			s.queue.Ack(m.seq)
		}
		s.doneLocked(m)
		return
	}
	m.state = sentPubrel
	if m.seq == 0 {
		c.setOut(mqtt.AppendAck(c.out(), mqtt.PUBREL, c.level, a.ID, mqtt.Success))
		c.packets++
		return
	}
	c.releaseLocked(m)
}

// releaseLocked sends PUBREL. After it the client forgets the id: it must be on disk first
// that this message is never sent again. That holds after a reconnect too, when the state
// that an earlier connection has put may not be there yet.
func (c *conn) releaseLocked(m *sentMessage) {
	s := c.session
	s.outState.upTo = max(s.outState.upTo, m.seq)
	s.outState.dirty = true
	token := c.acks.open(ack{typ: mqtt.PUBREL, id: m.id, put: c.nextPut(), queue: s.queue, seq: m.seq})
	c.acks.expect(token, 0, mqtt.Success)
}

// handlePubrel frees the packet id and answers, when that is on disk if it has to be.
func (c *conn) handlePubrel(a mqtt.Ack) {
	s := c.session
	seq, known := s.received.forget(a.ID)
	reason := mqtt.Success
	if !known {
		reason = mqtt.PacketIDNotFound // a late answer, or of a previous run (4.3.3)
	}
	// One that is not known may have been freed by an earlier connection, and its state not
	// be on disk yet: a client that hears PUBCOMP uses the id again.
	if seq != 0 || !known && s.isPersistent() {
		s.inDirty = true
		token := c.acks.open(ack{typ: mqtt.PUBCOMP, id: a.ID, put: c.nextPut(), queue: s.inbound, seq: seq})
		c.acks.expect(token, 0, reason)
		return
	}
	s.mu.Lock()
	if s.conn == c {
		c.setOut(mqtt.AppendAck(c.out(), mqtt.PUBCOMP, c.level, a.ID, reason))
		c.packets++
	}
	s.mu.Unlock()
}

// putStatesLocked writes what changed in this batch of the state that QoS 2 must not
// forget.
func (c *conn) putStatesLocked(w *worker) {
	s := c.session
	if len(w.done) > 0 {
		s.queue.Ack(w.done...)
		w.done = w.done[:0]
	}
	if !s.outState.dirty && !s.inDirty {
		return
	}
	c.puts++
	// Both states under one number: the second one's commit comes last, because commits
	// of one class come in their order.
	if s.outState.dirty {
		var waiter journal.Waiter
		if !s.inDirty {
			waiter = putWaiter{c}
		}
		c.b.journal.Put(keyOut+s.id, s.outStateLocked(), journal.Event, waiter, c.puts)
	}
	if s.inDirty {
		c.b.journal.Put(keyIn+s.id, s.received.state(), journal.Event, putWaiter{c}, c.puts)
	}
	s.outState.dirty, s.inDirty = false, false
}
