package broker

import (
	"encoding/binary"
	"slices"
	"sync"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/varint"
)

// qos2In are the packet ids of QoS 2 messages from a client whose PUBREL has not come:
// a second PUBLISH with one of them is the same message again [MQTT-4.3.3-2].
//
// What a persistent session's client sent to durable subscribers is one record, which the
// session's own inbound queue holds too: message and packet id survive together or not
// at all. A PUBREL is answered when it is on disk that the id is free again.
type qos2In struct {
	mu       sync.Mutex
	ids      *[65536 / 64]uint64 // made with the first QoS 2 message
	seqs     map[uint16]journal.Seq
	released journal.Seq // newest record whose PUBREL came
	n        int
}

// RememberedLimits are those of a queue that remembers which messages of QoS 2 have come, in
// a journal of that size. What is in its reserve goes last when the journal is full: a message
// that is repeated then is not taken for a new one, and of a record that nobody else waits for
// only the packet id is kept. But it can go: a client that never sends
// PUBREL must not keep the journal full.
func RememberedLimits(journalSize int64) journal.Limits {
	return journal.Limits{Full: journal.DropOldest, Reserve: max(journalSize/64, 32<<10), Brief: mqtt.BriefRecord}
}

// add enters an id; again reports that it was there, and n how many there are.
func (q *qos2In) add(id uint16) (again bool, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ids == nil {
		q.ids = new([65536 / 64]uint64)
	}
	word, bit := id/64, uint64(1)<<(id%64)
	if q.ids[word]&bit != 0 {
		return true, q.n
	}
	q.ids[word] |= bit
	q.n++
	return false, q.n
}

// recorded notes the record that holds the message; false when its PUBREL came already,
// from a client that does not wait for PUBREC.
func (q *qos2In) recorded(id uint16, seq journal.Seq) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ids[id/64]&(1<<(id%64)) == 0 {
		return false
	}
	if q.seqs == nil {
		q.seqs = map[uint16]journal.Seq{}
	}
	q.seqs[id] = seq
	return true
}

// forget frees an id. known is false if it was not in use; seq is the record that is to
// be released, 0 if there is none.
func (q *qos2In) forget(id uint16) (seq journal.Seq, known bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	word, bit := id/64, uint64(1)<<(id%64)
	if q.ids == nil || q.ids[word]&bit == 0 {
		return 0, false
	}
	q.ids[word] &^= bit
	q.n--
	seq = q.seqs[id]
	delete(q.seqs, id)
	q.released = max(q.released, seq)
	return seq, true
}

func (q *qos2In) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// state returns what must survive: the newest released record, and the older ones that
// are not released.
func (q *qos2In) state() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	var st exactState
	st.upTo = q.released
	for _, seq := range q.seqs {
		if seq < q.released {
			st.except = append(st.except, seq)
		}
	}
	return st.append(nil)
}

// qos2Out is what must survive of the QoS 2 messages towards a persistent session: records
// for which PUBREC came are never sent again.
type qos2Out struct {
	exactState
	dirty bool // changed in this batch
}

// exactState names the records up to upTo, but for a few, as done; and packet ids that
// are in use beyond that.
type exactState struct {
	upTo   journal.Seq
	except []journal.Seq
	open   []sentMessage // PUBREL sent, PUBCOMP awaited
}

const exactVersion = 1

func (e *exactState) append(dst []byte) []byte {
	dst = append(dst, exactVersion)
	dst = binary.AppendUvarint(dst, uint64(e.upTo))
	dst = binary.AppendUvarint(dst, uint64(len(e.except)))
	for _, s := range e.except {
		dst = binary.AppendUvarint(dst, uint64(s))
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.open)))
	for _, m := range e.open {
		dst = binary.AppendUvarint(dst, uint64(m.seq))
	}
	return dst
}

// parseExactState reads what append wrote; ok is false if it is not whole.
func parseExactState(b []byte) (e exactState, ok bool) {
	if len(b) == 0 || b[0] != exactVersion {
		return e, false
	}
	r := varint.NewReader(b[1:])
	e.upTo = journal.Seq(r.Uvarint())
	for range r.Count(1) {
		e.except = append(e.except, journal.Seq(r.Uvarint()))
	}
	for range r.Count(1) {
		seq := journal.Seq(r.Uvarint())
		e.open = append(e.open, sentMessage{seq: seq, id: packetID(seq), qos: 2, state: sentPubrel})
	}
	return e, r.Done()
}

// released reports whether the record was completed in a previous run.
func (e *exactState) released(seq journal.Seq) bool {
	return seq <= e.upTo && !slices.Contains(e.except, seq)
}

// exceptUnsentLocked notes, before a new connection begins with the queue from the start,
// which records were sent and are not complete: until they are sent again, nothing else
// knows that they are not among those up to upTo.
func (s *session) exceptUnsentLocked() {
	for _, m := range s.inflight.list[s.inflight.head:] {
		if m.state == sentPublish && m.seq < s.outState.upTo && !slices.Contains(s.outState.except, m.seq) {
			s.outState.except = append(s.outState.except, m.seq)
		}
	}
}

// outStateLocked returns the state to put: PUBREC came for all records up to the newest,
// but for those in flight.
func (s *session) outStateLocked() []byte {
	st := &s.outState
	st.except, st.open = slices.DeleteFunc(st.except, func(seq journal.Seq) bool { return seq <= s.sent }), st.open[:0]
	for _, m := range s.inflight.list[s.inflight.head:] {
		switch {
		case m.state == sentPublish && m.seq < st.upTo:
			st.except = append(st.except, m.seq)
		case m.state == sentPubrel:
			st.open = append(st.open, m)
		}
	}
	return st.append(nil)
}
