package broker

import (
	"errors"
	"time"

	"sensorgate/internal/journal"
)

var errSettle = errors.New("the disk does not take the session")

// settle waits until the disk has what CONNACK promises: that a session which a clean start
// has ended is gone, that a new persistent one is there, and how long it outlives its connection. It blocks the goroutine of this
// one connection, and refuses it after settleTimeout: "server unavailable", counted in
// Stats.RefusedDisk. The next CONNECT waits again.
func (b *Broker) settle(s *session) error {
	if !b.unsettled.has(s.id) && (s.known && s.stored.is(s.expiryNow()) || !s.isPersistent()) {
		s.known = true
		return nil
	}
	done := make(journal.Done, 1)
	if s.isPersistent() {
		s.save(journal.Event, done, 0)
	} else {
		b.journal.Put(keyBarrier, nil, journal.Event, done, 0)
	}
	settleLimit := b.limits().settleLimit
	timeout := time.NewTimer(settleLimit)
	defer timeout.Stop()
	select {
	case err := <-done:
		if err != nil {
			b.count.noDisk.Add(1)
			b.log.Warn("connection refused: the disk does not take its session", "client", s.id, "err", err)
			return err
		}
		s.known = true
		return nil
	case <-timeout.C:
		b.count.noDisk.Add(1)
		b.log.Warn("connection refused: the disk does not take its session", "client", s.id, "after", settleLimit)
		return errSettle
	}
}

func (s *session) expiryNow() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expiry
}
