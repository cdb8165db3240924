package broker

import (
	"sync"

	"sensorgate/internal/journal"
)

// exactWaiter holds a QoS 2 message back from persistent sessions until its record is on
// disk. A message that they got earlier would be a new one to them after a power cut:
// the record is gone then, the publisher sends it again, and it gets another packet id.
//
// QoS 1 does not wait: it may come twice.
type exactWaiter struct {
	next journal.Waiter // who else waits; may be nil

	mu        sync.Mutex
	committed bool
	seq       journal.Seq
	sessions  []*session
	one       [1]*session // room for sessions: mostly there is one
}

// Committed forwards what the journal reports and releases the message.
func (e *exactWaiter) Committed(token uint64, err error) {
	if e.next != nil {
		e.next.Committed(token, err)
	}
	e.mu.Lock()
	e.committed = true
	seq, sessions := e.seq, e.sessions
	e.mu.Unlock()
	for _, s := range sessions {
		s.uncommitted.remove(seq)
		if c := s.current.Load(); c != nil {
			c.writer.wake()
		}
	}
}

// hold has the sessions that get the record at QoS 2 wait for its commit, unless it is on disk
// already.
func (e *exactWaiter) hold(seq journal.Seq, targets []target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.committed {
		return
	}
	e.seq, e.sessions = seq, e.one[:0]
	for i := range targets {
		if s := targets[i].session; targets[i].qos == 2 {
			e.sessions = append(e.sessions, s)
			s.uncommitted.add(seq)
		}
	}
}

// exactFor returns the waiter of a record: for QoS 2 from somebody who would send it again
// after a power cut. Our own devices do not.
func (w *worker) exactFor(p *publication, targets []target, waiter journal.Waiter) *exactWaiter {
	if p.qos != 2 || waiter == nil && p.origin == "" {
		return nil
	}
	for i := range targets {
		if targets[i].qos == 2 {
			return &exactWaiter{next: waiter}
		}
	}
	return nil
}
