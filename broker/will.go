package broker

import (
	"time"

	"sensorgate/internal/mqtt"
)

// delayedWill is a will that is published later, unless the client comes back
// (3.1.3.2.2, v5).
type delayedWill struct {
	will *mqtt.Will
	from *session
	at   time.Time
}

// lastWill decides about the will of a connection that has ended: none after DISCONNECT
// [MQTT-3.14.4-3], later if it has a delay and the session goes on, else now.
func (b *Broker) lastWill(c *conn, ends bool) (later *delayedWill) {
	if c.will == nil || c.clean {
		return nil
	}
	dw := &delayedWill{will: c.will, from: c.session}
	if delay := time.Duration(c.will.Delay) * time.Second; delay > 0 && !ends {
		dw.at = time.Now().Add(delay)
		return dw
	}
	b.publishWill(dw)
	return nil
}

// publishWill publishes a will, with the rights that its client has now.
func (b *Broker) publishWill(dw *delayedWill) {
	w := b.worker()
	defer w.release()
	will := dw.will
	r := w.routeString(will.Topic)
	if r.err != nil || !b.rights.Load().mayWrite(dw.from, will.Topic) {
		b.drop(&b.count.denied)
		return
	}
	p := &w.pub
	*p = publication{
		route: r, payload: will.Payload, qos: will.QoS, retain: will.Retain, at: w.now,
		origin: dw.from.origin,
	}
	if props := will.Properties; props != nil {
		p.hasExpiry, p.expiry = props.HasExpiry, props.MessageExpiry
		plain := *props
		plain.HasExpiry = false
		w.props = mqtt.AppendPublishProperties(w.props[:0], &plain, 0)
		p.props = w.props
	}
	w.publish(p, nil, 0)
}

// expireLocked sets the timer of a session without connection: for its delayed will and
// its end, whichever is first.
func (b *Broker) expireLocked(s *session) {
	at := s.endsAt()
	if s.will != nil && (at.IsZero() || s.will.at.Before(at)) {
		at = s.will.at
	}
	if at.IsZero() {
		return
	}
	s.timer = time.AfterFunc(time.Until(at), func() { b.due(s) })
}

// endsAt is when the session expires; zero for never.
func (s *session) endsAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry == mqtt.SessionForever {
		return time.Time{}
	}
	return s.gone.Add(time.Duration(s.expiry) * time.Second)
}

// due is called by the session's timer.
func (b *Broker) due(s *session) {
	b.mu.Lock()
	if b.closing || s.owner != nil || b.sessions[s.id] != s {
		b.mu.Unlock()
		return
	}
	now := time.Now()
	end := s.endsAt()
	ended := !end.IsZero() && !now.Before(end)
	var will *delayedWill
	if s.will != nil && (ended || !now.Before(s.will.at)) { // [MQTT-3.1.3-9, v5]
		will, s.will = s.will, nil
	}
	if ended {
		b.removeLocked(s)
		b.log.Info("session expired", "client", s.id)
	} else {
		b.expireLocked(s)
	}
	b.mu.Unlock()
	if will != nil {
		b.publishWill(will)
	}
}

// stopTimerLocked: the client is back, or the session is removed. A delayed will is not
// published then when the client resumes the session.
func (s *session) stopTimerLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// stopTimers ends all timers when the broker stops. Delayed wills are lost, sessions
// go on counting with the next start.
func (b *Broker) stopTimers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.stopTimerLocked()
	}
}
