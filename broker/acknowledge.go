package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// drainAcksLocked sends the acknowledgements that are due. The caller holds the
// session's mu and flushes.
func (c *conn) drainAcksLocked() {
	defer c.recountAcksLocked()
	for {
		a, ok := c.acks.next()
		if !ok {
			return
		}
		if a.err != nil && !c.refuse(&a) {
			return
		}
		out := c.out()
		switch a.typ {
		case mqtt.SUBACK, mqtt.UNSUBACK:
			out = mqtt.AppendSuback(out, a.typ, c.level, a.id, a.codes)
		default:
			out = mqtt.AppendAck(out, a.typ, c.level, a.id, a.reason)
		}
		c.setOut(out)
		c.packets++
		if a.queue != nil {
			a.queue.Ack(a.seq)
		}
	}
}

// recountAcksLocked has the account pay for the list of acknowledgements as it is.
func (c *conn) recountAcksLocked() {
	if fee := int64(c.acks.room.Load()) * ackCost; fee != c.ackFee {
		c.account.Force(budget.Inflight, fee-c.ackFee)
		c.ackFee = fee
	}
}

// refuse turns an ack that failed into a refusal, or ends the connection: MQTT 3.1.1 has none.
// Nor is there one when the disk has failed. What it was given may be there at the next start,
// and the client keeps the message, with its packet id, until then.
func (c *conn) refuse(a *ack) bool {
	reason := mqtt.QuotaExceeded
	if a.err != journal.ErrFull {
		reason = mqtt.ImplementationSpecific
	}
	if mayBeStored(a.err) {
		c.stop(reason)
		return false
	}
	if a.typ == mqtt.PUBREC {
		c.session.received.forget(a.id) // the exchange ends here (4.3.3)
	}
	if c.level != mqtt.Level5 || a.typ != mqtt.PUBACK && a.typ != mqtt.PUBREC {
		c.stop(reason)
		return false
	}
	a.reason = reason
	return true
}

// nextPut numbers the session state that this batch will put into the journal.
func (c *conn) nextPut() uint64 { return c.puts + 1 }

// acknowledge answers a PUBLISH that waits for nothing, behind those that do.
func (c *conn) acknowledge(qos byte, id uint16, reason mqtt.Reason) error {
	typ := mqtt.PUBACK
	switch {
	case qos == 0:
		return nil
	case qos == 2:
		typ = mqtt.PUBREC
		if reason >= mqtt.Unspecified && c.level == mqtt.Level5 {
			c.session.received.forget(id) // the exchange ends here (4.3.3)
		}
	}
	if !c.acks.empty() {
		c.acks.expect(c.acks.open(ack{typ: typ, id: id}), 0, reason)
		return nil
	}
	s := c.session
	s.mu.Lock()
	if s.conn == c {
		c.setOut(mqtt.AppendAck(c.out(), typ, c.level, id, reason))
		c.packets++
	}
	s.mu.Unlock()
	return nil
}

// answerSubscribe sends a SUBACK or UNSUBACK; of a persistent session whose subscriptions
// changed when they are on disk.
func (c *conn) answerSubscribe(typ mqtt.Type, id uint16, codes []mqtt.Reason, changed bool) {
	s := c.session
	if changed && s.isPersistent() {
		token := c.acks.open(ack{typ: typ, id: id, codes: codes})
		s.save(journal.Event, c, token)
		c.acks.expect(token, 1, mqtt.Success)
		return
	}
	if !c.acks.empty() {
		c.acks.expect(c.acks.open(ack{typ: typ, id: id, codes: codes}), 0, mqtt.Success)
		return
	}
	c.reply(func(out []byte) []byte { return mqtt.AppendSuback(out, typ, c.level, id, codes) })
}

// Committed is called by the journal for a record; see journal.Waiter.
func (c *conn) Committed(token uint64, err error) {
	ready, refused := c.acks.committed(token, err)
	if refused != 0 {
		// Sent again, on this connection or the next, it is a new message. At once: the connection may end before the client
		// can be answered.
		c.session.received.forget(refused)
	}
	if ready {
		c.writer.wake()
	}
}

// putWaiter hears of the session state that a connection has put into the journal.
type putWaiter struct{ c *conn }

func (w putWaiter) Committed(token uint64, err error) {
	if w.c.acks.putCommitted(token, err) {
		w.c.writer.wake()
	}
}
