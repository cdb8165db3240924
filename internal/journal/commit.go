package journal

import (
	"errors"
	"fmt"
	"time"
)

// commit writes what is pending and still wanted, syncs, and notifies the Waiters.
// Only one goroutine commits. An error is final: the journal has failed.
func (j *Journal) commit() error {
	j.mu.Lock()
	end := j.pend.end
	j.committing = true
	j.eventAt, j.windowAt = time.Time{}, time.Time{}
	j.mu.Unlock()

	start := time.Now()
	syncs := j.wr.st.syncs
	err := j.write(end)
	if err == nil {
		if err = j.housekeep(); err != nil {
			j.leaveSegment(err)
			err = nil
		}
	}

	j.mu.Lock()
	j.committing = false
	now := time.Now()
	if j.wr.st.syncs > syncs {
		j.stats.LastSync = now.Sub(start)
	}
	j.stats.LastCommit = now
	j.stats.BytesWritten, j.stats.Syncs = j.wr.st.written, j.wr.st.syncs
	if err != nil {
		j.failLocked(err)
		err = j.failed
	}
	if j.pend.first < j.pend.end && j.full == nil && j.failed == nil {
		j.wantLocked(Telemetry, now) // came in the meantime
	}
	j.room.Broadcast()
	j.unlockAndNotify()
	return err
}

// write takes a failed write or sync for final: what the kernel has thrown away it
// does not write at the second try, whatever it says. So the segment is left as
// it is, and everything not yet durable, which is still in memory, goes into
// another one. If that fails too, the journal has failed.
func (j *Journal) write(end uint64) error {
	for try := 0; ; try++ {
		err := j.writeOnce(end)
		if err == nil {
			return nil
		}
		if errors.Is(err, errNoSpace) {
			j.undo()
			j.fill(err)
			return nil
		}
		if try > 0 {
			j.undo()
			return err
		}
		j.leaveSegment(err)
	}
}

// leaveSegment gives up the segment that is written after an error.
func (j *Journal) leaveSegment(err error) {
	j.log.Error("journal segment failed, going on in another", "err", err)
	j.undo()
	j.wr.broken = true
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wantLocked(Event, time.Now())
}

// undo goes back to what is durable after a write that failed.
func (j *Journal) undo() {
	j.wr.rewind()
	j.mu.Lock()
	defer j.mu.Unlock()
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		j.pend.at(pos).slot = 0
	}
	for _, q := range j.durable {
		q.dirty = true
	}
	j.limitWritten, j.droppedWritten = j.limit, 0
}

// writeOnce writes the states that changed, then the ring up to end.
func (j *Journal) writeOnce(end uint64) error {
	if j.wr.broken {
		if err := j.enterNew(0, true); err != nil {
			return err
		}
	}
	if err := j.writeStates(); err != nil {
		return err
	}
	j.mu.Lock()
	pos := j.pend.first
	j.mu.Unlock()
	for pos < end {
		next, full := j.encode(pos, end)
		switch {
		case full > 0:
			if err := j.rotate(next, full); err != nil {
				return err
			}
		case len(j.wr.buf) >= 256<<10:
			if err := j.wr.flush(); err != nil {
				return err
			}
		}
		pos = next
	}
	if err := j.wr.sync(); err != nil {
		return err
	}
	j.complete(end)
	return nil
}

// encode makes frames of a stretch of the ring from pos on and returns how far it
// came. If the segment has no room for the next frame, full is its size.
func (j *Journal) encode(pos, end uint64) (next uint64, full int) {
	w := j.wr
	j.mu.Lock()
	defer j.mu.Unlock()
	pos = max(pos, j.pend.first) // a rotation may have released more than was written
	for n := 0; pos < end && n < 64; pos++ {
		p := j.pend.at(pos)
		if p.done || p.kind != kindRecord && !j.needsWriteLocked(p, pos, end) {
			continue
		}
		ids := j.pend.consumers(pos)
		size := recordSize(len(ids), len(p.key)+len(p.data))
		if !w.fits(size) {
			return pos, size
		}
		at := w.start()
		switch p.kind {
		case kindRecord:
			w.buf = appendRecordBody(w.buf, p.seq, p.at, ids, p.data)
		case kindPut:
			w.buf = appendPutBody(w.buf, p.key, p.data)
			j.entries[p.key].logged = true
		case kindDelete:
			w.buf = append(append(w.buf, byte(kindDelete)), p.key...)
		}
		p.slot, p.off = w.slot.no, w.end(at)
		n++
	}
	return pos, 0
}

// complete notifies everybody that the ring is on disk up to end.
func (j *Journal) complete(end uint64) {
	j.mu.Lock()
	for pos := j.pend.first; pos < end; pos++ {
		p := j.pend.at(pos)
		switch {
		case p.slot == 0 && !p.done && j.replacedAfterLocked(p, end):
			continue // its Waiter hears when the newer value is on disk
		case p.slot == 0:
		case p.kind != kindRecord:
			j.entryOnDiskLocked(p, pos)
		default:
			if l := onDisk(p.slot, p.off, len(p.data)); !p.done && j.index.move(p.seq, l) {
				j.liveLocked(l)
				j.slots[p.slot].maxSeq = max(j.slots[p.slot].maxSeq, p.seq)
			}
		}
		j.pend.finish(p)
	}
	j.limit = max(j.limit, j.limitWritten)
	j.dropped = append(j.dropped[:0], j.dropped[j.droppedWritten:]...)
	j.droppedWritten = 0
	j.room.Broadcast()
	j.mu.Unlock()
	j.skipDone()
}

func (j *Journal) skipDone() {
	j.mu.Lock()
	j.skipDoneLocked()
	j.unlockAndNotify()
}

// writeStates writes what changed about queues: positions before the records of
// the same commit, so that a record is never there without the acknowledgements
// that were made before it.
func (j *Journal) writeStates() error {
	j.mu.Lock()
	size, reserve := 0, j.last+j.opt.SeqStep/2 >= j.limit
	for _, q := range j.durable {
		if q.dirty {
			size += 2 * q.stateSizeLocked()
		}
	}
	size += 32*len(j.dropped) + 64
	if !j.wr.fits(size) {
		pos := j.pend.first
		j.mu.Unlock()
		return j.rotate(pos, 0)
	}
	j.encodeStatesLocked(reserve, func(q *Queue) bool { return q.dirty })
	j.mu.Unlock()
	return nil
}

func (j *Journal) encodeStatesLocked(reserve bool, which func(*Queue) bool) {
	w := j.wr
	for _, id := range j.dropped {
		at := w.start()
		w.buf = appendDropBody(w.buf, id)
		w.end(at)
	}
	j.droppedWritten = len(j.dropped)
	for _, q := range j.durable {
		if !which(q) {
			continue
		}
		// A queue that the log does not know yet is written twice: one damaged frame
		// must not make a queue forgotten with all that waits in it.
		for range 1 + btoi(q.fresh) {
			at := w.start()
			w.buf = q.appendStateLocked(w.buf)
			w.end(at)
		}
		q.dirty, q.fresh = false, false
	}
	if reserve { // the last: it says that the states before it are complete
		j.limitWritten = j.last + j.opt.SeqStep
		at := w.start()
		w.buf = appendReserveBody(w.buf, j.limitWritten, j.nextID+1<<10)
		w.end(at)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fill makes the journal full: for want of disk nothing more can be written.
// Waiting publishers of Refuse queues hear of it, DropNewest queues drop, the rest
// stays in memory until there is room.
func (j *Journal) fill(err error) {
	j.mu.Lock()
	if j.full == nil {
		j.log.Warn("journal is full", "err", err)
	}
	j.full = fmt.Errorf("%w: %w", ErrFull, err)
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		if p := j.pend.at(pos); !p.done && p.kind == kindRecord {
			j.shedLocked(p, j.pend.consumers(pos))
		}
	}
	j.room.Broadcast()
	j.unlockAndNotify()
}

// shedLocked applies the policies of its consumers to a record that finds no room.
func (j *Journal) shedLocked(p *pend, ids []uint32) {
	refused := false
	for _, id := range ids {
		if q := j.byID[id]; q != nil && q.lim.Full == Refuse && q.wait.has(p.seq) {
			refused = true
		}
	}
	if refused {
		p.err = ErrFull
	}
	for _, id := range ids {
		q := j.byID[id]
		switch {
		case q == nil:
		case refused:
			q.takeLocked(p.seq)
		case q.lim.Full == DropNewest:
			q.dropLocked(p.seq, &q.stats.DroppedFull)
		}
	}
}

// failLocked ends the journal: nobody will hear that anything is on disk.
func (j *Journal) failLocked(err error) {
	if j.failed != nil {
		return
	}
	j.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	j.log.Error("journal failed", "err", err)
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		if p := j.pend.at(pos); !p.done {
			p.err = j.failed
			j.pend.bytes -= int64(len(p.data)) + pendCost
			p.done = true // the data stays readable
		}
	}
	j.noticeLocked(Telemetry)
	j.noticeLocked(Event)
}
