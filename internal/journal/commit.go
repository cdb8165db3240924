package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// commit writes what is pending and still wanted, syncs, and notifies the Waiters.
// Only one goroutine commits. An error is final: the journal has failed.
func (j *Journal) commit() error {
	j.mu.Lock()
	end := j.pend.end
	j.committing = true
	durable := j.wr.durable
	j.eventAt, j.windowAt = time.Time{}, time.Time{}
	j.mu.Unlock()

	start := time.Now()
	syncs := j.wr.st.syncs
	err := j.write(end)
	if err == nil {
		if err = j.housekeep(); err != nil {
			j.leaveSegment(err)
			err = nil
			j.mu.Lock()
			j.fullTried = time.Now() // else a full journal would try again at once, forever
			j.mu.Unlock()
		}
	}

	j.mu.Lock()
	j.committing = false
	now := time.Now()
	if j.wr.st.syncs > syncs {
		j.stats.LastSync = now.Sub(start)
		j.stats.SyncTime += j.stats.LastSync
		j.stats.SyncedCommits++
	}
	if j.wr.durable > durable {
		j.committed = now
	}
	j.stats.LastCommit = now
	j.wr.st.count(&j.stats)
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
	j.encoded = j.pend.first
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		j.pend.at(pos).slot = 0
	}
	for _, q := range j.durable {
		if q.stateAt > j.wr.durable { // what is durable is not written again: it would fill a full journal
			j.markDirtyLocked(q)
		}
	}
	j.limitWritten, j.droppedWritten = j.limit, 0
	j.again = slices.DeleteFunc(j.again, func(it second) bool { return it.drop != 0 && slices.Contains(j.dropped, it.drop) })
	if j.newCheckpoint != nil {
		j.newCheckpoint, j.wantCheckpoint = nil, true
	}
}

// writeOnce writes the states that changed, then the ring up to end.
func (j *Journal) writeOnce(end uint64) error {
	pos := j.firstPending()
	j.encoded = pos
	if j.wr.broken {
		if err := j.enterNew(); err != nil {
			return err
		}
	}
	if err := j.writeStates(); err != nil {
		return err
	}
	for pos < end {
		next, full := j.encode(pos, end)
		j.encoded = next
		switch {
		case full > 0:
			if err := j.rotate(full, false); err != nil {
				return err
			}
		case len(j.wr.buf) >= 256<<10:
			if err := j.wr.flush(); err != nil {
				return err
			}
		}
		pos = next
	}
	if err := j.writeAgain(false); err != nil {
		return err
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
		if p.done || p.hollow || p.kind != kindRecord && !j.needsWriteLocked(p, pos, end) {
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
	now := time.Now()
	for pos := j.pend.first; pos < end; pos++ {
		p := j.pend.at(pos)
		switch {
		case p.slot == 0 && !p.done && j.replacedAfterLocked(p, end):
			continue // its Waiter hears when the newer value is on disk
		case p.hollow && p.counted > j.statesWritten:
			j.wantLocked(p.class, now)
			p.slot = 0
			continue
		case p.slot == 0:
		case p.kind != kindRecord:
			j.entryOnDiskLocked(p, pos)
		default:
			l := onDisk(p.slot, p.off, len(p.data))
			if _, refs := j.index.get(p.seq); !p.done && j.index.move(p.seq, l) {
				j.liveRecordLocked(l, refs)
				j.took = now
				j.slots[p.slot].maxSeq = max(j.slots[p.slot].maxSeq, p.seq)
			}
		}
		j.pend.finish(p)
		p.slot = 0 // one before it may keep it in the ring, and it counts once
	}
	j.checkpointDurableLocked()
	j.limit = max(j.limit, j.limitWritten)
	j.dropsDurableLocked()
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
	for {
		j.mu.Lock()
		need := j.encodeStatesLocked(j.wr.fits)
		j.mu.Unlock()
		if need == 0 {
			return nil
		}
		if err := j.rotate(need, true); err != nil {
			return err
		}
	}
}

// encodeStatesLocked encodes what changed about queues as far as it fits, and returns the
// size of the first frame that does not.
func (j *Journal) encodeStatesLocked(fits func(int) bool) (need int) {
	w := j.wr
	for ; j.droppedWritten < len(j.dropped); j.droppedWritten++ {
		if need = frameSize(8); !fits(need) {
			return need
		}
		id := j.dropped[j.droppedWritten]
		at := w.start()
		w.buf = appendDropBody(w.buf, id)
		j.again = append(j.again, second{drop: id, slot: w.slot.no, off: w.end(at)})
	}
	onDisk := j.onDiskUpToLocked()
	for len(j.dirty) > 0 {
		q := j.dirty[0]
		if q.dirty && q.id != 0 {
			if need = q.stateSizeLocked(); !fits(need) {
				return need
			}
			j.encodeStateLocked(q, onDisk)
		}
		j.dirty[0] = nil
		j.dirty = j.dirty[1:]
	}
	if len(j.dirty) == 0 {
		j.dirty = j.dirty[:0:0]
	}
	if j.last+j.opt.SeqStep/2 >= j.limit {
		if need = frameSize(24); !fits(need) {
			return need
		}
		j.encodeReserveLocked()
	}
	j.statesWritten++
	return 0
}

// encodeReserveLocked lets Seqs and queue ids be handed out.
func (j *Journal) encodeReserveLocked() {
	w := j.wr
	j.limitWritten = j.last + j.opt.SeqStep
	at := w.start()
	w.buf = appendReserveBody(w.buf, j.limitWritten, j.nextID+1<<10)
	w.end(at)
}

// statesDurable puts what changed about queues on disk in the segment that is written, and
// reports whether it had room. A segment may be used again only after that: else the records
// in it are gone after a power cut, and nothing says that they were acknowledged or dropped.
func (j *Journal) statesDurable() (bool, error) {
	if j.wr.broken {
		return false, nil
	}
	j.mu.Lock()
	need := j.encodeStatesLocked(j.wr.fitsState)
	var dead []*slot // not what is acknowledged while this gets to the disk
	for _, s := range j.slots {
		if j.deadSegment(s) {
			dead = append(dead, s)
		}
	}
	j.mu.Unlock()
	if need > 0 {
		return false, nil
	}
	if err := j.wr.sync(); err != nil {
		return false, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range dead {
		s.settled = true
	}
	j.dropsDurableLocked()
	return true, nil
}

// dropsDurableLocked: what was encoded of the queues that are gone is on disk.
func (j *Journal) dropsDurableLocked() {
	j.dropped = append(j.dropped[:0], j.dropped[j.droppedWritten:]...)
	j.droppedWritten = 0
}

// fill makes the journal full: for want of disk nothing more can be written.
// Waiting publishers of Refuse queues hear of it, DropNewest queues drop, the rest
// stays in memory until there is room.
func (j *Journal) fill(err error) {
	j.mu.Lock()
	if j.full == nil {
		j.log.Warn("journal is full", "err", err)
		j.fullSince = time.Now()
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
			if p.err == nil {
				p.err = j.failed
			}
			j.pend.bytes -= int64(len(p.data)) + pendCost
			p.done = true // the data stays readable
		}
	}
	j.noticeLocked(Telemetry)
	j.noticeLocked(Event)
}
