package broker

import (
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// attach connects c with its session, answers the CONNECT and sends what waits. It waits until
// an earlier connection with the same client id is closed. false: the broker closes.
//
// Of several that wait the newest wins, as if each had been answered and then taken over by
// the next [MQTT-3.1.4-2; v5: 3.1.4-3]: a client that gave up waiting must not find its old
// connection taking over its new one.
func (b *Broker) attach(c *conn, out writer, who *permissions.Identity, connect *mqtt.Connect) bool {
	c.writer = out
	b.mu.Lock()
	b.claims[c.id] = c
	b.mu.Unlock()
	for {
		s, previous := b.claim(c, who, connect)
		if previous != nil {
			previous.stop(mqtt.SessionTakenOver) // [MQTT-3.1.4-2; v5: 3.1.4-3]
			<-previous.done
			continue
		}
		if s == nil {
			b.leave(c)
			close(c.done)
			return false
		}
		if c.endedWill != nil {
			b.publishWill(c.endedWill)
			c.endedWill = nil
		}
		if c.persistent && !s.isPersistent() {
			b.makePersistent(s)
		}
		c.connack.SessionPresent = s.known
		if err := b.settle(s); err != nil {
			c.connack = mqtt.Connack{Reason: mqtt.ServerUnavailable}
			defer c.stop(mqtt.ServerUnavailable)
		}
		b.connected(c, connect)
		return true
	}
}

// claim makes c the owner of the session with its id, which it makes if it must. If
// another connection owns it, it returns that; neither, if c cannot have it.
func (b *Broker) claim(c *conn, who *permissions.Identity, connect *mqtt.Connect) (s *session, previous *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.claims[c.id] != c { // a newer one came while this one waited
		return nil, nil
	}
	if b.closing {
		delete(b.claims, c.id)
		return nil, nil
	}
	s = b.sessions[c.id]
	if s != nil && s.owner != nil && b.ownsLocked(s, who) {
		return nil, s.owner
	}
	delete(b.claims, c.id)
	if s != nil && !b.ownsLocked(s, who) {
		return nil, nil // made since enter
	}
	if s != nil && (connect.CleanStart || !s.kept) { // [MQTT-3.1.2-6; v5: 3.1.2-4]
		// A will that was to come later comes with the end of its session (3.1.3.2.2, v5).
		c.endedWill = s.will
		b.removeLocked(s)
		s = nil
	}
	if s == nil {
		s = b.newSessionLocked(c.id, c.account.Hold(), c.persistent)
		s.account.Force(budget.Sessions, s.fee-c.sessionFee)
		b.onDisk.sessions.Add(-c.sessionOnDisk)
		c.sessionFee, c.sessionOnDisk = 0, 0
	}
	s.stopTimerLocked()
	s.dropWillLocked()
	b.goOnLocked(s)
	s.owner, c.session = c, s
	who.Client = c.id
	s.who.Store(who)
	s.mu.Lock()
	s.expiry = c.expiry
	s.mu.Unlock()
	return s, nil
}

// connected answers the CONNECT and sends what waits: PUBREL of earlier exchanges, then
// the messages, oldest first.
func (b *Broker) connected(c *conn, connect *mqtt.Connect) {
	s := c.session
	if c.will != nil && c.connack.Reason == mqtt.Success {
		c.willStored = b.storeWill(s, c.will, time.Time{})
	} else { // a delayed one of the connection before
		b.forgetWill(s.id, 0)
	}
	if s.isPersistent() {
		s.mu.Lock()
		s.gone = time.Time{}
		s.setGoneBeforeLocked(time.Time{})
		s.mu.Unlock()
		s.save(journal.Event, nil, 0)
	}
	w := b.worker()
	defer w.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = defaultWindow
	if connect.ReceiveMaximum != 0 {
		s.window = min(defaultWindow, int(connect.ReceiveMaximum))
	}
	s.conn = c
	s.current.Store(c)
	c.setOut(mqtt.AppendConnack(c.out(), c.level, &c.connack))
	c.packets++
	if s.isPersistent() {
		s.resumeLocked(c)
		s.catchUpLocked(w)
		c.putStatesLocked(w) // what the PUBRELs wait for
	}
	w.touchLocked(s)
	b.log.Info("client connected", "client", s.id, "remote", c.remote, "level", c.level, "present", c.connack.SessionPresent)
}

// resumeLocked begins with the queue from the start: what is not acknowledged is sent
// again with its packet id and DUP [MQTT-4.4.0-1].
func (s *session) resumeLocked(c *conn) {
	s.resent = max(s.resent, s.sent)
	s.exceptUnsentLocked()
	s.sent, s.live = 0, false
	s.inflight.keepReleased()
	for i := range s.inflight.list {
		c.releaseLocked(&s.inflight.list[i])
	}
}

// end ends a connection, when nothing of it is handled any more and its writer is closed. It
// is done aside: it needs the lock that all who connect wait for, and an event loop does not
// wait with them. What has to do with the journal and what has to be sent has goroutines of its
// own: a disk that is busy must not hold up all other ends.
func (b *Broker) end(c *conn) {
	b.places.giveBack(c)
	c.session.current.CompareAndSwap(c, nil) // from here on a group passes it over
	c.aliasesIn = nil                        // its socket may linger, and nobody pays for them then
	teardown := func(w *worker) { b.teardown(w, c) }
	if !c.session.isPersistent() && c.fan == nil && c.will == nil {
		b.doIn(&b.aside.quick, maxQuick, teardown)
		return
	}
	b.doAside(teardown)
}

// teardown is the end of a connection. w is for what is published with it.
func (b *Broker) teardown(w *worker, c *conn) {
	c.finishFanOut(w)
	s := c.session
	s.mu.Lock()
	c.writtenLocked()
	c.dropOut()
	s.conn, s.dirty = nil, false
	s.current.Store(nil)
	s.pending.drop(s.account)
	s.walks = nil
	s.recountWalksLocked()
	s.gone = time.Now()
	ends := s.expiry == 0 || !s.isPersistent() // nobody makes it more from here on
	s.mu.Unlock()
	b.logEnd(c)

	later := b.lastWill(w, c, ends)
	b.leave(c)
	b.mu.Lock()
	s.will = later
	if ends {
		b.removeLocked(s)
	} else {
		s.owner = nil
		b.expireLocked(s)
	}
	b.mu.Unlock()
	if !ends {
		s.save(journal.Event, nil, 0)
	}
	close(c.done)
}
