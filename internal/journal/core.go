package journal

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// Journal is one store. All methods may be called from any goroutine.
//
// An append is put into a ring in memory (pending) and into the sets of its queues;
// the goroutine of Run writes what is still wanted when its class says so, syncs
// once for all, and notifies the Waiters. What all consumers acknowledged before that
// is never written.
type Journal struct {
	opt Options
	log *slog.Logger

	woken  chan struct{} // Run looks what is due
	wr     *writer       // nil: everything in memory
	unlock io.Closer     // of the directory
	looked time.Time     // when the compaction looked for idle segments

	skipWaits, waitFails int // see waitForBatch

	mu           sync.Mutex
	room         sync.Cond // Append waits for the ring
	last         Seq
	limit        Seq // Seqs up to here may be handed out; the log knows it
	limitWritten Seq // the same, not yet synced
	nextID       uint32
	queues       map[string]*Queue
	byID         map[uint32]*Queue
	durable      []*Queue // those of byID, by id
	dirty, grown []*Queue // each once
	index        index
	pend         pending
	notices      notices

	clock          clock
	entries        map[string]*entry
	dropped        []uint32 // queue ids that the log still knows
	droppedWritten int      // of them, not yet synced
	statesWritten  uint64   // how often what had changed about queues was encoded, all of it

	mem      map[Seq]*memRecord
	memBytes int64
	memMax   int64

	slots []*slot // by number; nil where there is none

	// Of the committing goroutine. keepFrom: slots from this first lsn on are pinned.
	keepFrom        uint64
	lastCheckpoint  checkpoint  // the newest complete one on disk
	newCheckpoint   *checkpoint // complete, not yet synced
	sinceCheckpoint int64       // bytes of the segments that were begun since
	wantCheckpoint  bool
	checkpointing   bool
	anew            bool // see beginAnew
	compacting      bool
	again           []second // second copies to be written
	againSpare      []second // its memory, for the next look at them
	encoded         uint64   // position in the ring: what is before has a frame
	near            []second // of queues, those whose copies stand in this segment alone
	young           []string // keys of Options.Twice written in this segment
	marked          uint64   // lsn of the newest mark

	committing bool
	committed  time.Time // when the last commit with something in it ended
	eventAt    time.Time // first pending append of the class since the last commit
	windowAt   time.Time // the same for telemetry, or acknowledgements to be written
	full       error     // why no segment can be had
	fullSince  time.Time
	took       time.Time // when the newest record got to the disk
	fullTried  time.Time
	failed     error
	closed     bool
	stats      Stats
}

// memRecord is a record of queues that are never on disk.
type memRecord struct {
	at   int64
	data []byte
	refs int
}

// Sizes of what waits in memory for the disk.
const (
	maxPending   = 4 << 20 // Append waits beyond
	flushPending = 1 << 20 // not to wait for the window
	eventWindow  = 5 * time.Millisecond
	memoryBound  = 64 << 20
)

// unlockAndNotify unlocks j.mu and calls the Waiters whose turn it is.
//
// It is foreverybody who may have finished an append: who acknowledged, dropped or
// refused something, replaced a value, committed, or failed. A plain Unlock is for those
// who only looked, or who changed what no Waiter waits for (positions, slots, bounds):
// with it a finished append would hear of its end only at the next call of this.
func (j *Journal) unlockAndNotify() {
	if !j.committing {
		j.skipDoneLocked()
	}
	j.noticeLocked(Telemetry)
	j.noticeLocked(Event)
	due := len(j.notices.due) > 0
	j.mu.Unlock()
	if due {
		j.notify()
	}
}

// skipDoneLocked moves the committed position past what needs no write.
func (j *Journal) skipDoneLocked() {
	pos := j.pend.first
	for pos < j.pend.end && j.pend.at(pos).done {
		pos++
	}
	if pos == j.pend.first {
		return
	}
	j.noticeLocked(Telemetry)
	j.noticeLocked(Event)
	j.pend.release(pos)
	j.room.Broadcast()
}

// wantLocked makes Run commit in the window of the class.
func (j *Journal) wantLocked(class CommitClass, now time.Time) {
	at := &j.windowAt
	if class == Event {
		at = &j.eventAt
	}
	if at.IsZero() {
		*at = now
		j.wake()
	}
}

// wake makes Run look what is due.
func (j *Journal) wake() {
	select {
	case j.woken <- struct{}{}:
	default:
	}
}

// releaseLocked takes q's reference off the record and returns its size. If q counts it as dropped, its Waiter hears
// only when that is on disk: else a power cut would take a record that was answered for, and nothing would tell.
func (j *Journal) releaseLocked(q *Queue, s Seq, counted bool) (size int) {
	if q.memory {
		r := j.mem[s]
		if r.refs--; r.refs == 0 {
			delete(j.mem, s)
			j.memBytes -= int64(len(r.data))
		}
		return len(r.data)
	}
	l, left := j.index.release(s, q.ref())
	if !l.pending() {
		in := j.slots[l.slot()]
		in.liveBytes -= wantedOf(l, left+q.ref()) - wantedOf(l, left)
		if left == 0 {
			in.live--
		}
		j.dirtyLocked(q)
		return q.weight(l.dataLen())
	}
	p := j.pend.at(l.pendPos())
	size = q.weight(len(p.data))
	if left > 0 || p.slot != 0 || counted {
		j.dirtyLocked(q) // the record is or will be on disk, and names q
	}
	if counted {
		p.counted = j.statesWritten + 1
	}
	switch {
	case left > 0:
	case p.counted > 0 && p.w != nil:
		j.pend.empty(p)
	default:
		j.pend.finish(p)
	}
	return size
}

// dirtyLocked has q's position written with the next commit.
func (j *Journal) dirtyLocked(q *Queue) {
	if !q.dirty && !q.memory {
		j.markDirtyLocked(q)
		j.wantLocked(Telemetry, time.Now())
	}
}

// markDirtyLocked is dirtyLocked for who does not ask for a commit of its own.
func (j *Journal) markDirtyLocked(q *Queue) {
	if !q.dirty && !q.memory {
		q.dirty = true
		j.dirty = append(j.dirty, q)
	}
}

// liveRecordLocked counts a record that keeps its segment from being used again.
func (j *Journal) liveRecordLocked(l location, refs uint32) {
	s := j.slots[l.slot()]
	s.live++
	s.liveBytes += wantedOf(l, refs)
}

// liveLocked and deadLocked do so for an entry.
func (j *Journal) liveLocked(l location) {
	s := j.slots[l.slot()]
	s.live++
	s.liveBytes += int64(l.dataLen()) + frameHeader
}

func (j *Journal) deadLocked(l location) {
	s := j.slots[l.slot()]
	s.live--
	s.liveBytes -= int64(l.dataLen()) + frameHeader
}

// Size is how many bytes all files together may have; 0: everything is in memory.
func (j *Journal) Size() int64 {
	if j.wr == nil {
		return 0
	}
	return j.wr.st.max
}

// Stats reports how the journal does.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	switch {
	case j.failed != nil:
		s.Failed = j.failed
	case j.full != nil:
		s.Failed = j.full
	}
	for _, sl := range j.slots {
		if sl != nil {
			s.Segments++
			s.DiskBytes += sl.size
		}
	}
	if j.wr == nil {
		s.LastCommit = time.Now()
	}
	s.AgeHeld, s.ClockSteps, s.ClockStep = j.heldLocked(time.Now()), j.clock.steps, j.clock.step
	return s
}
