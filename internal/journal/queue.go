package journal

import (
	"slices"
	"time"
)

// Queue is one consumer's view of the journal. All methods may be called from any
// goroutine.
type Queue struct {
	j    *Journal
	name string
	id   uint32
	wake chan struct{}

	// guarded by j.mu
	lim     Limits
	memory  bool // what waits here is in j.mem, not in the index
	gone    bool // dropped: takes nothing any more
	opened  bool // in this run: the limits are known
	wait    seqSet
	bytes   int64
	last    Seq    // newest that was appended
	past    []span // acknowledged ones behind the first that waits
	gaps    []gap
	dirty   bool   // the log does not know the newest position: in Journal.dirty
	grown   bool   // the log does not know how many wait
	listed  bool   // in Journal.grown
	fresh   bool   // the log does not know the queue at all
	stateAt uint64 // lsn of the frame with the newest position
	stats   QueueStats

	dropsSeen uint64 // by logDrops
	droppedAt time.Time

	oldestSeq  Seq // whose time oldestTime is
	oldestTime time.Time
}

// span is a stretch of Seqs in which nothing of a queue waits any more.
type span struct{ from, to Seq }

// gap stands for n records that were dropped at or before Seq at, after the
// waiting record before it.
type gap struct {
	at Seq
	n  uint64
}

// maxGaps bounds what is remembered for a consumer that does not read.
const maxGaps = 256

// Name is the name the queue was opened with.
func (q *Queue) Name() string { return q.name }

// Wake has a value when something was appended since the last receive.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Last is the Seq of the newest record that was appended to the queue.
func (q *Queue) Last() Seq {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	if q.last > 0 {
		return q.last
	}
	return q.j.last
}

// Ack takes records off the queue; they need not be the oldest. Unknown and
// already acknowledged ones are ignored.
//
// It does not wait for the disk: after a crash within Options.Commit they may come
// again. An Ack before a Put is on disk when the Put is.
func (q *Queue) Ack(seqs ...Seq) {
	j := q.j
	j.mu.Lock()
	for _, s := range seqs {
		if q.takeLocked(s) {
			q.stats.Acked++
		}
	}
	j.unlockAndNotify()
}

// Stats reports how the queue does. It may read the disk for the age of the oldest.
func (q *Queue) Stats() QueueStats {
	oldest := q.oldest()
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	s := q.stats
	s.Name, s.Waiting, s.WaitingBytes, s.Oldest = q.name, uint64(q.wait.n), q.bytes, oldest
	return s
}

// oldest returns the append time of the first record that waits.
func (q *Queue) oldest() time.Time {
	q.j.mu.Lock()
	first, ok := q.wait.first()
	known, t := q.oldestSeq, q.oldestTime
	q.j.mu.Unlock()
	if !ok {
		return time.Time{}
	}
	if known == first {
		return t
	}
	var buf [1]Item
	items, _ := q.j.read(q, 0, 1, buf[:0], false)
	if len(items) == 0 {
		return time.Time{}
	}
	q.j.mu.Lock()
	q.oldestSeq, q.oldestTime = items[0].Seq, items[0].Time
	q.j.mu.Unlock()
	return items[0].Time
}

// takeLocked takes s off the queue because it was acknowledged or refused, or the queue is gone.
func (q *Queue) takeLocked(s Seq) bool { return q.removeLocked(s, false) }

// dropLocked takes s off the queue because of a bound or damage; counter says which.
func (q *Queue) dropLocked(s Seq, counter *uint64) {
	if q.removeLocked(s, true) {
		*counter++
		q.gapLocked(s)
	}
}

func (q *Queue) removeLocked(s Seq, counted bool) bool {
	if !q.wait.remove(s) {
		return false
	}
	q.passLocked(s)
	q.bytes -= int64(q.j.releaseLocked(q, s, counted))
	return true
}

// passLocked remembers that s is gone although something before it still waits.
func (q *Queue) passLocked(s Seq) {
	first, ok := q.wait.first()
	if q.memory || !ok || first > s {
		return // what lies before the first that waits is gone anyway
	}
	i, _ := slices.BinarySearchFunc(q.past, s, func(p span, s Seq) int {
		if p.from <= s {
			return -1
		}
		return 1
	})
	touches := func(a, b Seq) bool { // nothing waits between
		n, ok := q.wait.next(a + 1)
		return !ok || n > b
	}
	switch {
	case i > 0 && touches(q.past[i-1].to, s):
		q.past[i-1].to = max(q.past[i-1].to, s)
		if i < len(q.past) && touches(s, q.past[i].from) {
			q.past[i-1].to = q.past[i].to
			q.past = slices.Delete(q.past, i, i+1)
		}
	case i < len(q.past) && touches(s, q.past[i].from):
		q.past[i].from = s
	default:
		q.past = slices.Insert(q.past, i, span{s, s})
	}
}

// ref is what a record that waits in q counts in index.refs.
func (q *Queue) ref() uint32 {
	if q.lim.Brief != nil {
		return briefRef
	}
	return 1
}

// weight is what a record of n bytes counts in q.bytes.
func (q *Queue) weight(n int) int {
	if q.lim.Brief != nil {
		return min(n, briefSize)
	}
	return n
}

// reweighLocked counts what waits anew: lim has Brief and what was had not, or the other way.
func (q *Queue) reweighLocked(lim Limits) {
	j := q.j
	before := q.ref()
	q.lim, q.bytes = lim, 0
	for s, ok := q.wait.first(); ok; s, ok = q.wait.next(s + 1) {
		if q.memory {
			q.bytes += int64(q.weight(len(j.mem[s].data)))
			continue
		}
		l, refs := j.index.get(s)
		now := refs - before + q.ref()
		j.index.page(s).refs[s%pageLen] = now
		if l.pending() {
			q.bytes += int64(q.weight(len(j.pend.at(l.pendPos()).data)))
			continue
		}
		j.slots[l.slot()].liveBytes += wantedOf(l, now) - wantedOf(l, refs)
		q.bytes += int64(q.weight(l.dataLen()))
	}
}

// gapLocked remembers that s was dropped, for the next Read.
func (q *Queue) gapLocked(s Seq) {
	i, _ := slices.BinarySearchFunc(q.gaps, s, func(g gap, s Seq) int {
		if g.at <= s {
			return -1
		}
		return 1
	})
	if i > 0 {
		if n, ok := q.wait.next(q.gaps[i-1].at + 1); !ok || n > s {
			q.gaps[i-1].at = s
			q.gaps[i-1].n++
			return
		}
	}
	q.gaps = slices.Insert(q.gaps, i, gap{s, 1})
	if len(q.gaps) > maxGaps {
		q.gaps[1].n += q.gaps[0].n
		q.gaps = slices.Delete(q.gaps, 0, 1)
	}
}

// missedLocked notes for the next Read that n records up to s are gone.
func (q *Queue) missedLocked(s Seq, n uint64) {
	i := 0
	for i < len(q.gaps) && q.gaps[i].at <= s {
		i++
	}
	q.gaps = slices.Insert(q.gaps, i, gap{s, n})
}

// takeGapLocked returns how many records were dropped directly before s, once.
func (q *Queue) takeGapLocked(s Seq) (n uint64) {
	i := 0
	for i < len(q.gaps) && q.gaps[i].at < s {
		i++
	}
	to := i
	for i > 0 {
		if w, ok := q.wait.next(q.gaps[i-1].at + 1); !ok || w != s {
			break
		}
		i--
		n += q.gaps[i].n
	}
	if i < to {
		q.gaps = slices.Delete(q.gaps, i, to)
		q.j.markDirtyLocked(q)
	}
	return n
}

func (q *Queue) roomLocked(n int) bool {
	if q.lim.Bytes > 0 && q.bytes+int64(n) > q.lim.Bytes {
		return false
	}
	if q.memory {
		return q.j.memBytes+int64(n) <= q.j.memMax
	}
	return true
}

// fullLocked reports that the queue refuses a record of n bytes.
func (q *Queue) fullLocked(n int) bool {
	return q.lim.Full == Refuse && (!q.roomLocked(n) || !q.memory && q.j.full != nil)
}

// makeRoomLocked applies the policy and reports whether n bytes may enter.
func (q *Queue) makeRoomLocked(s Seq, n int) bool {
	for !q.roomLocked(n) {
		first, ok := q.wait.first()
		if !ok || q.lim.Full != DropOldest {
			q.refuseLocked(s)
			return false
		}
		q.dropLocked(first, &q.stats.DroppedFull)
	}
	if !q.memory && q.j.full != nil && q.lim.Full == DropNewest {
		q.refuseLocked(s)
		return false
	}
	return true
}

// refuseLocked counts a record that does not enter the queue.
func (q *Queue) refuseLocked(s Seq) {
	q.stats.DroppedFull++
	q.gapLocked(s)
	q.j.dirtyLocked(q)
}

func (q *Queue) wakeLocked() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// dropAged takes off what is older than the queue's age limit.
func (q *Queue) dropAged(now time.Time) {
	j := q.j
	for {
		oldest := q.oldest()
		j.mu.Lock()
		first, ok := q.wait.first()
		limit := q.lim.Age
		age, _ := j.clock.age(first, oldest, now)
		j.mu.Unlock()
		if !ok || limit <= 0 || oldest.IsZero() || age < limit {
			return
		}
		items, err := j.read(q, 0, 256, nil, false)
		if err != nil || len(items) == 0 {
			return
		}
		j.mu.Lock()
		for _, it := range items {
			if age, _ := j.clock.age(it.Seq, it.Time, now); age >= limit {
				q.dropLocked(it.Seq, &q.stats.DroppedAge)
			}
		}
		j.unlockAndNotify()
	}
}
