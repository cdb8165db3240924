package journal

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"sensorgate/internal/varint"
)

// A checkpoint is the states of all queues, one after the other, and a frame that says that
// they are complete. It begins where a segment begins and may reach over as many segments as
// it needs: no number of queues can be too large for the log. Two complete checkpoints are
// always kept, with all that was written since the older one began; so two copies of every
// position exist, in different files, and a queue that neither names was dropped.
//
// While the states are few, every segment begins with a checkpoint. When they take more
// than a quarter of a segment, one is written for every four times its size, but not more
// seldom than for a sixteenth of the journal: what two of them span is never reused.
type checkpoint struct {
	start   uint64 // lsn of its first frame
	slotLSN uint64 // of the first frame in the slot in which it begins
}

// A mark is the frame that protects the newest commit: once it is on disk, what is missing
// before it is damage and no torn end. It is written when nothing was committed for
// markDelay, in a page of its own (a sector, if the segments are small), with the states of the queues that grew since their
// last one, so that what damage costs can be counted in messages.
const markDelay = 2 * time.Second

// sectorSize is what a disk loses at a time; a mark and what it protects stand apart.
const sectorSize = 512

func appendCheckpointBody(b []byte, start uint64, queues, entries int) []byte {
	b = append(b, byte(kindCheckpoint))
	b = binary.AppendUvarint(b, start)
	b = binary.AppendUvarint(b, uint64(queues))
	return binary.AppendUvarint(b, uint64(entries))
}

func parseCheckpoint(body []byte) (start, entries uint64, err error) {
	r := varint.NewReader(body[1:])
	start = r.Uvarint()
	r.Uvarint()
	entries = r.Uvarint()
	if r.Failed() {
		err = errFrame
	}
	return start, entries, err
}

// checkpointDue reports whether the states of all queues are to be written again.
func (j *Journal) checkpointDue() bool {
	if j.wantCheckpoint {
		return true
	}
	size := j.statesSize()
	return size <= j.wr.st.segSize/4 || j.sinceCheckpoint >= min(4*size, j.wr.st.max/16)
}

// writeCheckpoint writes the states of all queues. If the disk is full it is left unfinished,
// which costs nothing but that older segments stay.
func (j *Journal) writeCheckpoint() error {
	j.checkpointing = true
	defer func() { j.checkpointing = false }()
	w := j.wr
	c := checkpoint{start: w.lsn, slotLSN: w.slot.firstLSN}
	j.mu.Lock()
	queues := slices.Clone(j.durable)
	j.mu.Unlock()
	for _, q := range queues {
		if err := j.writeState(q); err != nil {
			return j.checkpointFailed(err)
		}
	}
	if err := j.makeRoom(frameSize(40)); err != nil {
		return j.checkpointFailed(err)
	}
	at := w.start()
	w.buf = appendCheckpointBody(w.buf, c.start, len(queues), j.liveEntries())
	w.end(at)
	j.newCheckpoint, j.wantCheckpoint, j.sinceCheckpoint = &c, false, 0
	j.mu.Lock()
	defer j.mu.Unlock()
	j.listGrownLocked()
	return nil
}

// grownLocked notes that the log does not know how many wait in q.
func (j *Journal) grownLocked(q *Queue) {
	q.grown = true
	if !q.listed {
		q.listed = true
		j.grown = append(j.grown, q)
	}
}

// listGrownLocked leaves in the list what is still to be written by the next mark.
func (j *Journal) listGrownLocked() {
	all := j.grown
	j.grown = j.grown[:0]
	for _, q := range all {
		if q.listed = q.grown && q.id != 0; q.listed {
			j.grown = append(j.grown, q)
		}
	}
	clear(j.grown[len(j.grown):len(all)])
}

func (j *Journal) checkpointFailed(err error) error {
	j.wantCheckpoint = true
	if errors.Is(err, errNoSpace) {
		return nil
	}
	return err
}

// writeState encodes q's state, in another segment if this one is full.
func (j *Journal) writeState(q *Queue) error {
	for {
		j.mu.Lock()
		if q.id == 0 {
			j.mu.Unlock()
			return nil
		}
		need := q.stateSizeLocked()
		if j.wr.fits(need) {
			j.encodeStateLocked(q, j.onDiskUpToLocked())
			j.mu.Unlock()
			break
		}
		j.mu.Unlock()
		if err := j.rotate(need, true); err != nil {
			return err
		}
	}
	if len(j.wr.buf) >= 256<<10 {
		return j.wr.flush()
	}
	return nil
}

// makeRoom sees to room for a frame of n bytes.
func (j *Journal) makeRoom(n int) error {
	if j.wr.fits(n) {
		return nil
	}
	return j.rotate(n, true)
}

// checkpointDurableLocked: what was encoded is on disk.
func (j *Journal) checkpointDurableLocked() {
	if c := j.newCheckpoint; c != nil {
		j.keepFrom = j.lastCheckpoint.slotLSN
		j.lastCheckpoint, j.newCheckpoint = *c, nil
	}
}

// pinned reports whether s must stay as it is whatever is in it: it is written to, or it has
// a part of the last two checkpoints, or of what came after.
func (j *Journal) pinned(s *slot) bool {
	return s == j.wr.slot || s.firstLSN >= j.keepFrom
}

// liveEntries counts the values on disk, for the check after damage.
func (j *Journal) liveEntries() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		if e.loc != 0 && e.pos == 0 && !e.tomb { // of what is pending, the disk has something older
			n++
		}
	}
	return n
}

// markDue returns how long it is until a mark should be written; an hour if none is needed.
func (j *Journal) markDue() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	idle := j.eventAt.IsZero() && j.windowAt.IsZero() && j.pend.first == j.pend.end
	if !idle || j.full != nil || j.failed != nil || j.wr.broken || j.wr.durable <= j.marked {
		return time.Hour
	}
	return markDelay - time.Since(j.committed)
}

// writeMark writes second copies that wait, the states of queues that grew, and the mark.
func (j *Journal) writeMark() error {
	if err := j.writeAgain(true); err != nil {
		return err
	}
	w := j.wr
	apart := int64(sectorSize)
	if w.slot.size >= 1<<20 { // then a page is to be had as well
		apart = copyApart
	}
	if next := (w.tail() + apart - 1) &^ (apart - 1); w.fits(int(next - w.tail())) {
		w.padTo(next)
	}
	j.mu.Lock()
	for _, q := range j.grown {
		if q.grown && q.id != 0 {
			j.markDirtyLocked(q)
		}
	}
	j.mu.Unlock()
	if err := j.writeStates(); err != nil {
		return err
	}
	if err := j.makeRoom(frameSize(16)); err != nil {
		return err
	}
	at := w.start()
	w.buf = binary.AppendUvarint(append(w.buf, byte(kindMark)), uint64(j.liveEntries()))
	w.end(at)
	if err := w.sync(); err != nil {
		return err
	}
	j.mu.Lock()
	j.marked = w.durable
	j.checkpointDurableLocked()
	j.listGrownLocked()
	j.mu.Unlock()
	return nil
}

// commitMark is a commit of nothing but a mark. What goes wrong in it costs the mark, and
// the next commit finds out the same.
func (j *Journal) commitMark() {
	j.mu.Lock()
	j.committing = true
	j.mu.Unlock()
	err := j.writeMark()
	if err != nil {
		j.undo()
		if !errors.Is(err, errNoSpace) {
			j.leaveSegment(err)
		}
	}
	j.mu.Lock()
	j.committing = false
	j.marked = max(j.marked, j.wr.durable) // not again before something new was written
	j.wr.st.count(&j.stats)
	j.unlockAndNotify()
}
