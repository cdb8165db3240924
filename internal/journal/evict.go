package journal

import (
	"cmp"
	"slices"
	"time"
)

// When the store is full, queues that drop their oldest make room. Who has more than its
// share pays first: one absent client must not cost the others their messages.
//
// The share of a queue is what waits in all of them divided by those in which something
// waits, or its reserve if that is more. (Not the size divided by them: what else is on the
// disk may leave the one who fills it less than that.) When nobody has more, those pay
// who have something beyond their reserve, but not the last quarter of a share: next to
// nothing is gained by it, and a reserve must not cost a client its only message. Then those
// with more than the share, reserve or not, but for those that go last. Always the oldest records first.
//
// Nothing is dropped while what is wanted takes next to nothing of the files. If the excess is in segments that cannot be
// used again yet, those pay who have more than the last quarter of a share elsewhere. Nobody else pays for it: the journal is
// full until segments with little in them are copied together, and the excess can be had a segment later. Only if no record
// is taken for lastResort, all pay.

// lastResort is how long a full journal takes no record before those pay who have no more than a
// share.
const lastResort = 20 * time.Second

// evict drops records until about a segment's worth is no longer wanted, and reports whether
// it dropped any.
func (j *Journal) evict() bool {
	j.mu.Lock()
	defer j.unlockAndNotify()
	stuck := j.full != nil && time.Since(j.fullSince) >= lastResort && time.Since(j.took) >= lastResort
	if !stuck && !j.crampedLocked() {
		return false
	}
	share := j.shareLocked()
	excess := func(q *Queue) int64 { return q.bytes - max(share, q.lim.Reserve) }
	beyond := func(q *Queue) int64 { return q.bytes - max(share/4, q.lim.Reserve) }
	most := func(q *Queue) int64 {
		if q.lim.Brief != nil {
			return 0
		}
		return q.bytes - share
	}
	others := func(q *Queue) int64 {
		if q.lim.Brief != nil {
			return 0
		}
		return q.bytes
	}
	all := func(q *Queue) int64 { return q.bytes }
	for _, over := range []func(*Queue) int64{excess, beyond, most} {
		if j.evictOverLocked(over) {
			return true
		}
	}
	return stuck && (j.evictOverLocked(others) || j.evictOverLocked(all))
}

// crampedLocked reports whether what is wanted takes a quarter of the files or more.
func (j *Journal) crampedLocked() bool {
	wanted, size := int64(0), int64(0)
	for _, s := range j.slots {
		if s != nil {
			wanted += s.liveBytes
			size += s.size
		}
	}
	return wanted >= size/4
}

func (j *Journal) shareLocked() int64 {
	waiting, bytes := int64(0), int64(0)
	for _, q := range j.durable {
		if q.wait.n > 0 {
			waiting++
			bytes += q.bytes
		}
	}
	return bytes / max(1, waiting)
}

// evictOverLocked drops the oldest of the queues as long as over is positive, segment by
// segment, until one is empty or two segments' worth is gone: what is left in the emptiest is
// then copied together.
func (j *Journal) evictOverLocked(over func(*Queue) int64) bool {
	var victims []*Queue
	for _, q := range j.durable {
		if q.opened && q.lim.Full == DropOldest && over(q) > 0 {
			victims = append(victims, q)
		}
	}
	var segments []*slot
	for _, s := range j.slots {
		if s != nil && s.used && !s.bad && !j.pinned(s) && s.live > 0 {
			segments = append(segments, s)
		}
	}
	slices.SortFunc(segments, func(a, b *slot) int { return cmp.Compare(a.firstLSN, b.firstLSN) })
	freed := int64(0)
	for _, s := range segments {
		before := s.liveBytes
		for _, q := range victims {
			j.evictLocked(q, s, over)
		}
		freed += before - s.liveBytes
		if s.live == 0 && s.readers == 0 || freed >= 2*j.wr.st.segSize {
			return true
		}
	}
	return freed > 0
}

// evictLocked drops what waits in q and is in s.
func (j *Journal) evictLocked(q *Queue, s *slot, over func(*Queue) int64) {
	for seq, ok := q.wait.first(); ok && seq <= s.maxSeq && over(q) > 0; seq, ok = q.wait.next(seq + 1) {
		if l, _ := j.index.get(seq); !l.pending() && l.slot() == s.no {
			q.dropLocked(seq, &q.stats.DroppedFull)
		}
	}
}

// dropsQuiet is how long a queue must not have dropped anything before its next drop is
// logged again.
const dropsQuiet = time.Hour

// logDrops reports the first drop of each queue, also for want of age.
func (j *Journal) logDrops(now time.Time) {
	type drop struct {
		name      string
		full, age uint64
	}
	var first []drop
	j.mu.Lock()
	for _, q := range j.queues {
		n := q.stats.DroppedFull + q.stats.DroppedAge
		if n == q.dropsSeen {
			continue
		}
		if now.Sub(q.droppedAt) >= dropsQuiet {
			first = append(first, drop{q.name, q.stats.DroppedFull, q.stats.DroppedAge})
		}
		q.dropsSeen, q.droppedAt = n, now
	}
	j.mu.Unlock()
	for _, d := range first {
		j.log.Warn("queue drops records; further drops are counted, not logged", "queue", d.name, "full", d.full, "age", d.age)
	}
}
