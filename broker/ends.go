package broker

import (
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// removeLocked ends a session: its subscriptions, and all that waits for it.
func (b *Broker) removeLocked(s *session) {
	s.stopTimerLocked()
	s.dropWillLocked()
	s.mu.Lock()
	subs := s.subs
	s.subs = nil
	s.growLocked(-s.onDisk)
	s.setGoneBeforeLocked(time.Time{})
	s.mu.Unlock()
	s.leaveTree(subs)
	delete(b.sessions, s.id)
	if !s.kept {
		return
	}
	b.persistent--
	for _, key := range []string{keySession, keyIn, keyOut} {
		b.journal.Delete(key+s.id, journal.Telemetry)
	}
	for _, name := range []string{queueOut, queueIn} {
		if err := b.journal.DropQueue(name + s.id); err != nil {
			b.log.Warn("a queue of an ended session cannot be dropped", "client", s.id, "err", err)
		}
	}
	b.journal.Put(keyBarrier, nil, journal.Telemetry, endOnDisk{&b.unsettled, s.id}, b.unsettled.add(s.id))
}

// leaveTree takes a session that has ended out of the tree of subscriptions. Many filters
// of many levels take a while, in which others must not wait: nobody needs the end of it.
func (s *session) leaveTree(subs map[string]*subscription) {
	list := make([]*subscription, 0, len(subs))
	for _, sub := range subs {
		list = append(list, sub)
	}
	leave := func(w *worker) {
		for ; len(list) > filtersAtOnce; list = list[filtersAtOnce:] {
			s.leave(list[:filtersAtOnce])
			w.rest(fanOutSlice)
		}
		s.leave(list)
		s.mu.Lock()
		s.releaseLocked()
		s.mu.Unlock()
	}
	if len(subs) <= filtersAtOnce {
		leave(nil)
		return
	}
	s.b.doAside(leave)
}

// filtersAtOnce is how many filters are taken out in one step, and by whoever ends their session.
const filtersAtOnce = 32

// expireLocked sets the timer of a session without connection: for its delayed will and
// its end, whichever is first.
func (b *Broker) expireLocked(s *session) {
	at := s.endsAt()
	if s.will != nil {
		if due := b.willDue(s.will); at.IsZero() || due.Before(at) {
			at = due
		}
	}
	if at.IsZero() {
		return
	}
	if s.will != nil && !s.will.goneBefore.IsZero() || !s.goneBefore.IsZero() {
		look := b.started.Add(journal.StartGrace)
		if !look.After(time.Now()) {
			look = time.Now().Add(clockLook)
		}
		if look.Before(at) {
			at = look // the clock may be set until then
		}
	}
	s.timer = time.AfterFunc(time.Until(at), func() { b.due(s) })
}

// clockLook is how often it is asked whether the clock says that a session of an earlier run
// has expired.
const clockLook = time.Minute

// endsAt is when the session expires; zero for never. What an earlier run stamped counts only
// while the clock can be trusted.
func (s *session) endsAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry == mqtt.SessionForever {
		return time.Time{}
	}
	gone := s.gone
	if age, ok := s.b.ageOf(s.goneBefore); ok {
		gone = time.Now().Add(-max(time.Since(gone), age))
	}
	return gone.Add(time.Duration(s.expiry) * time.Second)
}

// willDue is when a delayed will is published. What of its delay an earlier run has seen pass
// counts only while the clock can be trusted.
func (b *Broker) willDue(dw *delayedWill) time.Time {
	if age, ok := b.ageOf(dw.goneBefore); ok {
		if due := time.Now().Add(time.Duration(dw.will.Delay)*time.Second - age); due.Before(dw.at) {
			return due
		}
	}
	return dw.at
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
	ended := !end.IsZero() && !now.Before(end) // a delayed will does not wait for the disk to know it
	var will *delayedWill
	if s.will != nil && (ended || !now.Before(b.willDue(s.will))) { // [MQTT-3.1.3-9, v5]
		will = s.will
		s.dropWillLocked()
	}
	switch {
	case ended && !b.endKnownLocked(s):
	case ended:
		b.removeLocked(s)
		b.log.Info("session expired", "client", s.id)
	default:
		b.expireLocked(s)
	}
	if will != nil {
		b.doAside(func(w *worker) { w.publishWill(will) })
	}
	b.mu.Unlock()
}

// endKnownLocked reports whether the disk knows that the session has expired, and has it written.
func (b *Broker) endKnownLocked(s *session) bool {
	if !s.isPersistent() || s.end.known {
		return true
	}
	if !s.end.written {
		s.end.n++
		s.end.asked, s.end.written = true, true
		s.setEnded(true)
		s.save(journal.Event, expiryWaiter{s}, s.end.n)
	}
	return false
}

// goOnLocked: the client is back. The disk may think otherwise, so CONNACK waits for it.
func (b *Broker) goOnLocked(s *session) {
	if !s.end.asked {
		return
	}
	s.end = expiry{n: s.end.n + 1}
	s.setEnded(false)
	b.journal.Put(keyBarrier, nil, journal.Telemetry, endOnDisk{&b.unsettled, s.id}, b.unsettled.add(s.id))
}

func (s *session) setEnded(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = yes
}

// expiryWaiter hears that the disk knows of a session's expiry. The journal calls in from
// wherever it is: what needs locks is done elsewhere.
type expiryWaiter struct{ s *session }

// Committed implements journal.Waiter; the token is the number of the end.
func (w expiryWaiter) Committed(end uint64, err error) {
	wait := time.Duration(0)
	if err != nil {
		wait = clockLook
	}
	time.AfterFunc(wait, func() {
		b := w.s.b
		b.mu.Lock()
		if w.s.end.n == end {
			w.s.end.written, w.s.end.known = err == nil, err == nil
		}
		b.mu.Unlock()
		b.due(w.s)
	})
}

// stopTimerLocked: the client is back, or the session is removed. A delayed will is not
// published then when the client resumes the session.
func (s *session) stopTimerLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// stopTimers ends all timers when the broker stops. Delayed wills and sessions
// go on counting with the next start.
func (b *Broker) stopTimers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.stopTimerLocked()
	}
}
