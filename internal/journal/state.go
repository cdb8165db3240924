package journal

import "encoding/binary"

// A queue's state frame says everything about it: name, position, counters. The
// newest one counts, so a lost one costs nothing when another follows. All states
// stand at the start of each segment, and the segment before the one that is
// written is never reused: two copies exist, in different files.

// maxSpans bounds a state frame. What is cut off comes again after a crash.
const maxSpans = 32 << 10

func (q *Queue) stateSizeLocked() int {
	return frameSize(1 + 12*binary.MaxVarintLen64 + len(q.name) + 20*min(len(q.past), maxSpans) + 20*len(q.gaps))
}

// appendStateLocked appends the body of q's state frame: all that is up to low, and
// the spans behind it, does not wait any more.
func (q *Queue) appendStateLocked(b []byte) []byte {
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
	return b
}

// queueState is a state frame, taken apart.
type queueState struct {
	id        uint32
	name      string
	low, last Seq
	past      []span
	gaps      []gap
	stats     QueueStats
}

func parseState(body []byte) (queueState, error) {
	r := reader{b: body[1:]}
	var st queueState
	st.id = uint32(r.uvarint())
	st.name = string(r.bytes())
	st.low = Seq(r.uvarint())
	st.last = Seq(r.uvarint())
	for _, v := range []*uint64{&st.stats.Appended, &st.stats.Acked, &st.stats.DroppedFull, &st.stats.DroppedAge, &st.stats.Damaged} {
		*v = r.uvarint()
	}
	at := st.low
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		from := at + Seq(r.uvarint())
		to := from + Seq(r.uvarint())
		if from <= at || to < from {
			r.bad = true
		}
		st.past = append(st.past, span{from, to})
		at = to
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		st.gaps = append(st.gaps, gap{Seq(r.uvarint()), r.uvarint()})
	}
	if r.bad || len(r.b) > 0 {
		return st, errFrame
	}
	return st, nil
}

// reserveStep is how many Seqs are handed out before the log must know of more. A
// crash skips what is left of them: no Seq is used twice.
//
// MQTT packet ids are made of Seqs modulo 65,535. A step of 2^20 moves them by 16
// only, so that after a crash a new message soon had the id of one whose end was not
// on disk, and the PUBREL that was repeated for the old one released the new one.
// This step moves them by 65,535 times the golden section: the ids of many lives in a
// row lie far apart.
const reserveStep = 16*65535 + 40503

// reserveBody: Seqs up to limit and queue ids up to nextID may have been used.
func appendReserveBody(b []byte, limit Seq, nextID uint32) []byte {
	b = append(b, byte(kindReserve))
	b = binary.AppendUvarint(b, uint64(limit))
	return binary.AppendUvarint(b, uint64(nextID))
}

func parseReserve(body []byte) (limit Seq, nextID uint32, err error) {
	r := reader{b: body[1:]}
	limit, nextID = Seq(r.uvarint()), uint32(r.uvarint())
	if r.bad {
		err = errFrame
	}
	return limit, nextID, err
}

func appendDropBody(b []byte, id uint32) []byte {
	return binary.AppendUvarint(append(b, byte(kindDrop)), uint64(id))
}

func parseDrop(body []byte) (id uint32, err error) {
	r := reader{b: body[1:]}
	id = uint32(r.uvarint())
	if r.bad {
		err = errFrame
	}
	return id, err
}
