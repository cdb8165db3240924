package broker

import (
	"sync"

	"sensorgate/internal/journal"
)

// seqSet is a small set of records. Its lock is innermost.
type seqSet struct {
	mu   sync.Mutex
	seqs map[journal.Seq]struct{}
}

func (q *seqSet) add(seq journal.Seq) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seqs == nil {
		q.seqs = map[journal.Seq]struct{}{}
	}
	q.seqs[seq] = struct{}{}
}

func (q *seqSet) remove(seq journal.Seq) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.seqs, seq)
}

func (q *seqSet) has(seq journal.Seq) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.seqs[seq]
	return ok
}

// sentState of a message towards the client.
type sentState byte

const (
	sentPublish sentState = iota // waits for PUBACK or PUBREC
	sentPubrel                   // QoS 2: waits for PUBCOMP
	sentDone                     // acknowledged before an older one
)

type sentMessage struct {
	seq   journal.Seq // persistent only
	id    uint16
	qos   byte
	state sentState
}

// inflight are the messages that were sent and are not acknowledged, oldest first.
type inflight struct {
	list    []sentMessage
	head    int
	unacked int
	oldest  journal.Seq // persistent only: no unacknowledged one is older
	next    [2]int      // by state: where the next that is asked for may be
}

// maxInflightSpan bounds the list when a client acknowledges all but the oldest.
const maxInflightSpan = 16384

func (f *inflight) span() int { return len(f.list) - f.head }

func (f *inflight) push(m sentMessage) {
	if f.head > 0 && len(f.list) == cap(f.list) {
		f.list = append(f.list[:0], f.list[f.head:]...)
		f.next = [2]int{f.next[0] - f.head, f.next[1] - f.head}
		f.head = 0
	}
	f.list = append(f.list, m)
	if f.unacked == 0 || m.seq < f.oldest {
		f.oldest = m.seq
	}
	f.unacked++
}

// inUse reports whether the packet id of a record is one of an unacknowledged message.
// Ids repeat after 65,535 records, so as a rule the oldest one says that it cannot be.
func (f *inflight) inUse(seq journal.Seq) bool {
	if f.unacked == 0 || seq < f.oldest+65535 {
		return false
	}
	f.oldest = seq
	for _, m := range f.list[f.head:] {
		if m.state != sentDone {
			f.oldest = min(f.oldest, m.seq)
		}
	}
	return seq >= f.oldest+65535 && f.find(packetID(seq)) != nil
}

// find returns the message with the packet id: in practice the one behind that which was found
// last in its state, because clients acknowledge in order; else one of the oldest.
func (f *inflight) find(id uint16) *sentMessage {
	for _, i := range f.next {
		if i >= f.head && i < len(f.list) && f.list[i].id == id && f.list[i].state != sentDone {
			return f.found(i)
		}
	}
	for i := f.head; i < len(f.list); i++ {
		if m := &f.list[i]; m.id == id && m.state != sentDone {
			return f.found(i)
		}
	}
	return nil
}

func (f *inflight) found(i int) *sentMessage {
	m := &f.list[i]
	f.next[m.state&1] = i + 1
	return m
}

// releases reports whether PUBREC came for a record, and PUBCOMP did not.
func (f *inflight) releases(seq journal.Seq) bool {
	if f.unacked == 0 {
		return false
	}
	m := f.find(packetID(seq))
	return m != nil && m.seq == seq && m.state == sentPubrel
}

// done takes m out; m is not valid afterwards.
func (f *inflight) done(m *sentMessage) {
	m.state = sentDone
	f.unacked--
	for f.head < len(f.list) && f.list[f.head].state == sentDone {
		f.head++
	}
	if f.head == len(f.list) {
		f.list, f.head = f.list[:0], 0
		if cap(f.list) > 256 {
			f.list = nil
		}
	}
}

// keepReleased forgets all but the QoS 2 messages that wait for PUBCOMP: the others are
// sent again from the queue.
func (f *inflight) keepReleased() {
	kept := f.list[:0]
	f.oldest = 0
	for _, m := range f.list[f.head:] {
		if m.state == sentPubrel {
			kept = append(kept, m)
		}
	}
	f.list, f.head, f.unacked = kept, 0, len(kept)
}

// packetID returns the packet id of a record of a persistent session.
func packetID(seq journal.Seq) uint16 { return uint16(seq%65535) + 1 }
