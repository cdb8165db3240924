package broker

import (
	"errors"
	"sync"
	"sync/atomic"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// ackQueue holds what a connection is sent when the disk has it, in the order in which
// it must be told: PUBACK and PUBREC [MQTT-4.6.0-2, 4.6.0-3], the PUBREL and PUBCOMP
// whose state must survive first, and SUBACK. While it is empty, acknowledgements that
// wait for nothing go past it.
//
// Its mutex is the innermost of the broker: the journal calls in from wherever it is.
type ackQueue struct {
	mu    sync.Mutex
	list  []ack // those from head on wait
	head  int
	size  atomic.Int32 // of those that wait, for those who only want to know that there is nothing
	room  atomic.Int32 // that list has
	first uint64       // token of list[head]
	put   uint64       // state up to this Put is on disk
	fault error        // the journal failed
	batch bool         // its own goroutine is at work and will look at the end
}

type ack struct {
	typ    mqtt.Type
	reason mqtt.Reason
	id     uint16
	left   int    // commits still awaited; preparing while they are not counted yet
	put    uint64 // state that must be on disk before
	err    error
	codes  []mqtt.Reason // SUBACK, UNSUBACK

	// Acknowledged to the journal when this is sent.
	queue *journal.Queue
	seq   journal.Seq
}

// ackCost is what an ack takes in memory, in bytes.
const ackCost = 80

// keptAcks is for how many the list keeps room when nothing waits any more: many clients with
// one burst each would have room for thousands.
const keptAcks = 256

// preparing holds an ack back until the number of its commits is known.
const preparing = 1 << 20

// open enters an ack whose commits are not known yet and returns its token.
func (q *ackQueue) open(a ack) (token uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a.left += preparing
	if len(q.list) == cap(q.list) && q.head > len(q.list)/2 { // else a window of acks is allocated anew all the time
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, a)
	waiting := len(q.list) - q.head
	q.size.Store(int32(waiting))
	q.room.Store(int32(cap(q.list)))
	return q.first + uint64(waiting) - 1
}

func (q *ackQueue) at(token uint64) *ack { return &q.list[q.head+int(token-q.first)] }

// expect sets how many commits the ack with the token waits for, and its reason.
func (q *ackQueue) expect(token uint64, needs int, reason mqtt.Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.at(token)
	a.left += needs - preparing
	a.reason = reason
}

// committed notes one commit, or its failure. ready reports that somebody should drain; refused is the packet id of a message
// of QoS 2 that nobody has stored, 0 if it is none.
func (q *ackQueue) committed(token uint64, err error) (ready bool, refused uint16) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if token < q.first {
		return false, 0
	}
	a := q.at(token)
	a.left--
	if a.err == nil {
		a.err = err
	}
	if err != nil && a.typ == mqtt.PUBREC && !mayBeStored(err) {
		refused = a.id
	}
	return token == q.first && a.left == 0 && !q.batch, refused
}

// mayBeStored reports whether what a disk that failed was given may be there at the next start.
func mayBeStored(err error) bool {
	return errors.Is(err, journal.ErrFailed) || errors.Is(err, journal.ErrClosed)
}

// putCommitted notes that the state written as the given Put is on disk.
func (q *ackQueue) putCommitted(put uint64, err error) (ready bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put = max(q.put, put)
	if err != nil {
		q.fault = err
	}
	return q.head < len(q.list) && !q.batch
}

// inBatch sets whether the connection's own goroutine is at work: then nobody needs to
// be woken.
func (q *ackQueue) inBatch(yes bool) {
	q.mu.Lock()
	q.batch = yes
	q.mu.Unlock()
}

// empty reports whether an ack may go past the queue. Only the connection's own goroutine
// adds to it, so for that one the answer stays true.
func (q *ackQueue) empty() bool { return q.size.Load() == 0 }

func (q *ackQueue) len() int { return int(q.size.Load()) }

// next takes the oldest ack off if it may be sent.
func (q *ackQueue) next() (a ack, ok bool) {
	if q.empty() {
		return a, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.list) {
		return a, false
	}
	a = q.list[q.head]
	if a.left > 0 || a.put > q.put {
		return a, false
	}
	if a.err == nil && a.put > 0 {
		a.err = q.fault
	}
	q.list[q.head] = ack{} // holds nothing back
	q.first++
	q.head++
	if q.head == len(q.list) {
		if q.list, q.head = q.list[:0], 0; cap(q.list) > keptAcks {
			q.list = nil
		}
		q.room.Store(int32(cap(q.list)))
	}
	q.size.Store(int32(len(q.list) - q.head))
	return a, true
}
