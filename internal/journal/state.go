package journal

import (
	"encoding/binary"

	"sensorgate/internal/varint"
)

// A queue's state frame says everything about it: name, position, counters. The
// newest one counts, so a lost one costs nothing when another follows. Checkpoints have
// the states of all queues (checkpoint.go).
//
// It also says how many records wait on the disk up to a Seq. So a recovery knows how many
// were lost, whatever it was that damaged the store: a bit, a segment, a file.

// maxSpans bounds a state frame. What is cut off comes again after a crash.
const maxSpans = 32 << 10

func (q *Queue) stateSizeLocked() int {
	return frameSize(1 + 14*binary.MaxVarintLen64 + len(q.name) + 20*min(len(q.past), maxSpans) + 20*len(q.gaps))
}

// appendStateLocked appends the body of q's state frame: all that is up to low, and
// the spans behind it, does not wait any more. No record up to onDisk is pending.
func (q *Queue) appendStateLocked(b []byte, onDisk Seq) []byte {
	low := q.j.last
	if first, ok := q.wait.first(); ok {
		low = first - 1
	}
	keep := 0
	for keep < len(q.past) && q.past[keep].to <= low {
		keep++
	}
	q.past = q.past[keep:]
	b = append(b, byte(kindQueue))
	b = binary.AppendUvarint(b, uint64(q.id))
	b = binary.AppendUvarint(b, uint64(len(q.name)))
	b = append(b, q.name...)
	s := &q.stats
	for _, v := range []uint64{uint64(low), uint64(q.last), s.Appended, s.Acked, s.DroppedFull, s.DroppedAge, s.Damaged} {
		b = binary.AppendUvarint(b, v)
	}
	spans := q.past[:min(len(q.past), maxSpans)]
	b = binary.AppendUvarint(b, uint64(len(spans)))
	at := low
	for _, p := range spans {
		b = binary.AppendUvarint(b, uint64(p.from-at))
		b = binary.AppendUvarint(b, uint64(p.to-p.from))
		at = p.to
	}
	b = binary.AppendUvarint(b, uint64(len(q.gaps)))
	for _, g := range q.gaps {
		b = binary.AppendUvarint(b, uint64(g.at))
		b = binary.AppendUvarint(b, g.n)
	}
	b = binary.AppendUvarint(b, uint64(q.wait.n-q.wait.countFrom(onDisk+1)))
	return binary.AppendUvarint(b, uint64(onDisk))
}

// encodeStateLocked writes q's state frame.
func (j *Journal) encodeStateLocked(q *Queue, onDisk Seq) {
	w := j.wr
	q.stateAt = w.lsn
	at := w.start()
	w.buf = q.appendStateLocked(w.buf, onDisk)
	off := w.end(at)
	if q.fresh {
		j.again = append(j.again, second{q: q, slot: w.slot.no, off: off})
	}
	q.dirty, q.fresh = false, false
	q.grown = q.last > onDisk
}

// onDiskUpToLocked returns the Seq up to which no record is pending.
func (j *Journal) onDiskUpToLocked() Seq {
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		if p := j.pend.at(pos); p.kind == kindRecord && p.seq > 0 {
			return p.seq - 1
		}
	}
	return j.last
}

// queueState is a state frame, taken apart.
type queueState struct {
	id        uint32
	name      string
	low, last Seq
	past      []span
	gaps      []gap
	stats     QueueStats

	counted bool   // the frame has the two below
	onDisk  uint64 // records that waited up to upTo when it was written
	upTo    Seq
}

func parseState(body []byte) (queueState, error) {
	r := varint.NewReader(body[1:])
	var st queueState
	st.id = uint32(r.Uvarint())
	st.name = string(r.Bytes())
	st.low = Seq(r.Uvarint())
	st.last = Seq(r.Uvarint())
	for _, v := range []*uint64{&st.stats.Appended, &st.stats.Acked, &st.stats.DroppedFull, &st.stats.DroppedAge, &st.stats.Damaged} {
		*v = r.Uvarint()
	}
	at := st.low
	for n := r.Uvarint(); n > 0 && !r.Failed(); n-- {
		from := at + Seq(r.Uvarint())
		to := from + Seq(r.Uvarint())
		if from <= at || to < from {
			r.Fail()
		}
		st.past = append(st.past, span{from, to})
		at = to
	}
	for n := r.Uvarint(); n > 0 && !r.Failed(); n-- {
		st.gaps = append(st.gaps, gap{Seq(r.Uvarint()), r.Uvarint()})
	}
	if st.counted = len(r.Rest()) > 0; st.counted { // not in format 1
		st.onDisk, st.upTo = r.Uvarint(), Seq(r.Uvarint())
	}
	if !r.Done() {
		return st, errFrame
	}
	return st, nil
}

// reserveBody: Seqs up to limit and queue ids up to nextID may have been used.
func appendReserveBody(b []byte, limit Seq, nextID uint32) []byte {
	b = append(b, byte(kindReserve))
	b = binary.AppendUvarint(b, uint64(limit))
	return binary.AppendUvarint(b, uint64(nextID))
}

func parseReserve(body []byte) (limit Seq, nextID uint32, err error) {
	r := varint.NewReader(body[1:])
	limit, nextID = Seq(r.Uvarint()), uint32(r.Uvarint())
	if r.Failed() {
		err = errFrame
	}
	return limit, nextID, err
}

func appendDropBody(b []byte, id uint32) []byte {
	return binary.AppendUvarint(append(b, byte(kindDrop)), uint64(id))
}

func parseDrop(body []byte) (id uint32, err error) {
	r := varint.NewReader(body[1:])
	id = uint32(r.Uvarint())
	if r.Failed() {
		err = errFrame
	}
	return id, err
}
