package journal

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxSpare is how many empty slots are kept for reuse.
const maxSpare = 4

// rotate closes the segment and goes on in another one, which has room for a frame
// of need bytes. What has been encoded of the ring is completed: the segment that is left would
// count as dead otherwise, and be used again with the records in it. What is urgent may take
// the last spare slot: positions, checkpoints, and the copies that make room.
func (j *Journal) rotate(need int, urgent bool) error {
	w := j.wr
	s, err := j.takeSlot(int64(need), urgent)
	if err != nil {
		if !errors.Is(err, errNoSpace) {
			return err
		}
		// What has been encoded can still be had.
		if err := w.sync(); err != nil {
			return err
		}
		j.complete(j.encoded)
		return err
	}
	return j.leaveFor(s)
}

// leaveFor seals the segment and goes on in s.
func (j *Journal) leaveFor(s *slot) error {
	w := j.wr
	if w.tail()+sealSize <= w.slot.size { // else a crash came between the seal and the next segment
		at := w.start()
		w.buf = binary.AppendUvarint(append(w.buf, byte(kindSeal)), uint64(s.no))
		w.end(at)
	}
	if err := w.sync(); err != nil {
		return err
	}
	j.complete(j.encoded)
	return j.enter(s)
}

// enterNew goes on in another segment without a word in the one before.
func (j *Journal) enterNew() error {
	s, err := j.takeSlot(0, true)
	if err != nil {
		return err
	}
	return j.enter(s)
}

// enter makes s the segment that is written, with a checkpoint if it is time for one.
func (j *Journal) enter(s *slot) error {
	w := j.wr
	if err := w.st.writeHeader(s, slotUsed, w.lsn, w.epoch); err != nil {
		s.bad = true
		return err
	}
	j.mu.Lock()
	s.used, s.segno, s.firstLSN = true, w.st.segno, w.lsn
	s.live, s.liveBytes, s.puts, s.maxSeq, s.settled = 0, 0, false, 0, false
	w.enter(s)
	j.encodeReserveLocked()
	j.spreadLocked()
	j.mu.Unlock()
	if j.checkpointing {
		return nil // it goes on here
	}
	due := j.checkpointDue()
	j.sinceCheckpoint += s.size
	if !due {
		return nil
	}
	return j.writeCheckpoint()
}

// statesSize is about what a checkpoint takes.
func (j *Journal) statesSize() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 64
	for _, q := range j.durable {
		n += q.stateSizeLocked()
	}
	return int64(n)
}

// takeSlot returns an empty slot with room for a frame of need bytes. The last spare
// one is only for the urgent, and for when that is how segments become empty: the positions
// that make them so have to be on disk first.
func (j *Journal) takeSlot(need int64, urgent bool) (*slot, error) {
	size := j.wr.st.segSize
	if n := headerBlock + need + 64 + 2*sealSize; n+stateRoom(size) > size {
		size = (n + stateRoom(maxSegment) + 1<<20 - 1) &^ (1<<20 - 1)
	}
	if size > maxSegment {
		return nil, ErrTooLarge
	}
	for {
		fit, spares := j.spare(size)
		if fit != nil && (urgent || spares > 1) {
			return fit, nil
		}
		_, err := j.addSlot(size)
		if err == nil {
			continue
		}
		if !errors.Is(err, errNoSpace) {
			return nil, err
		}
		freed, ferr := j.freeDead()
		if ferr != nil {
			return nil, ferr
		}
		if freed {
			continue
		}
		if j.checkpointing || j.compacting { // half of either has filled segments and freed none
			if s, err := j.addExtraSlot(0); s != nil || err != nil {
				return s, err
			}
		}
		if !j.anyDead() && !j.evict() {
			return nil, err
		}
		for fit == nil && !j.anyDead() && j.evict() { // no room to copy what is left together
		}
		if freed, ferr = j.freeDead(); ferr != nil {
			return nil, ferr
		}
		if freed {
			continue
		}
		if fit, _ = j.spare(size); fit == nil { // anew: the positions may have taken the one there was
			return nil, err
		}
		return fit, nil
	}
}

// spare finds the smallest empty slot of at least the given size, and counts all.
func (j *Journal) spare(size int64) (fit *slot, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.slots {
		if s == nil || s.used || s.bad || s.readers > 0 {
			continue
		}
		n++
		if s.size >= size && (fit == nil || s.size < fit.size) {
			fit = s
		}
	}
	return fit, n
}

// addSlot makes a new empty slot, if the bounds allow it.
func (j *Journal) addSlot(size int64) (*slot, error) {
	if err := j.wr.st.allows(j.slotBytes(), size); err != nil {
		return nil, err
	}
	return j.makeSlot(size)
}

func (j *Journal) makeSlot(size int64) (*slot, error) {
	j.mu.Lock()
	no := 1
	for no < len(j.slots) && j.slots[no] != nil {
		no++
	}
	j.mu.Unlock()
	if no > maxSlots {
		return nil, errNoSpace
	}
	s, err := j.wr.st.create(no, size, j.wr.lsn, j.wr.epoch)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.putSlotLocked(s)
	return s, nil
}

func (j *Journal) putSlotLocked(s *slot) {
	for s.no >= len(j.slots) {
		j.slots = append(j.slots, nil)
	}
	j.slots[s.no] = s
}

// freeDead makes the segments in which nothing is wanted any more empty slots, as soon as
// the positions that say so are on disk; what is more than a few of them is removed.
func (j *Journal) freeDead() (freed bool, err error) {
	if j.anyDead() && !j.anew { // then a checkpoint says it
		ok, err := j.statesDurable()
		if err != nil {
			return false, err
		}
		if !ok {
			if ok, err = j.positionsElsewhere(); err != nil || !ok {
				return false, err
			}
		}
	}
	dead, extra := j.unused()
	for _, s := range dead {
		if err := j.wr.st.writeHeader(s, slotFree, j.wr.lsn, j.wr.epoch); err != nil {
			j.log.Error("journal segment cannot be reused", "err", err)
			s.bad = true
			continue
		}
		freed = true
		j.mu.Lock()
		s.used, s.puts = false, false
		j.mu.Unlock()
	}
	if err := j.removeSlots(extra); err != nil {
		return freed, err
	}
	if freed || len(extra) > 0 {
		j.mu.Lock()
		j.dropTombsLocked()
		j.mu.Unlock()
	}
	return freed || len(extra) > 0, nil
}

// positionsElsewhere writes the positions into another segment, because they have no room in
// the one that is written and dead segments wait for them. If there is no empty slot, one is
// made beyond the bounds, and taken back when another is free: else the journal would stay
// full forever. Whoever needs a slot for anything else waits for those that become free.
func (j *Journal) positionsElsewhere() (bool, error) {
	if j.wr.broken {
		return false, nil
	}
	// One more than what copies may take: these positions free a segment that they wait for.
	if ok, err := j.goElsewhere(j.wr.st.segSize); err != nil || !ok {
		return false, err
	}
	return j.statesDurable()
}

// goElsewhere goes on in an empty slot, or in one beyond the bounds (addExtraSlot), and reports whether there is one.
func (j *Journal) goElsewhere(more int64) (bool, error) {
	s, _ := j.spare(j.wr.st.segSize)
	if s == nil {
		var err error
		if s, err = j.addExtraSlot(more); err != nil || s == nil {
			return false, err
		}
	}
	return true, j.leaveFor(s)
}

// addExtraSlot makes a slot although the bounds are reached; nil if there are as many of them
// as all positions can take, and more bytes, or the file system has no room.
func (j *Journal) addExtraSlot(more int64) (*slot, error) {
	st := j.wr.st
	if j.anew { // also if the extra ones are taken: more than it takes come back
		more += 6*j.statesSize() + 8*st.segSize
	}
	if j.slotBytes() > st.max+2*j.statesSize()+more {
		return nil, nil
	}
	s, err := j.makeSlot(st.segSize)
	if errors.Is(err, errNoSpace) {
		return nil, nil
	}
	return s, err
}

// slotBytes is the size of all files.
func (j *Journal) slotBytes() (n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.slots {
		if s != nil {
			n += s.size
		}
	}
	return n
}

func (j *Journal) deadSegment(s *slot) bool {
	return s != nil && s.used && s.live == 0 && !s.bad && s.readers == 0 && !j.pinned(s)
}

// anyDead reports whether there is a segment in which nothing is wanted any more.
func (j *Journal) anyDead() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.slots, j.deadSegment)
}

// unused returns the segments in which nothing is wanted, those to be kept as empty slots
// and those, with empty slots, that are too many. From now on nobody reads what is in them.
func (j *Journal) unused() (dead, extra []*slot) {
	j.mu.Lock()
	defer j.mu.Unlock()
	spares, size := 0, int64(0)
	for _, s := range j.slots {
		if s != nil {
			size += s.size
		}
	}
	for _, s := range j.slots {
		switch {
		case j.deadSegment(s) && !s.settled: // the next time
		case j.deadSegment(s) && size > j.wr.st.max: // one was made beyond the bound
			extra = append(extra, s)
			size -= s.size
		case j.deadSegment(s):
			dead = append(dead, s)
		case s == nil || s.used || s.bad || s.readers > 0:
		case s.size != j.wr.st.segSize || spares == maxSpare:
			extra = append(extra, s)
		default:
			spares++
		}
	}
	for len(dead) > 0 && spares+len(dead) > maxSpare {
		extra = append(extra, dead[len(dead)-1])
		dead = dead[:len(dead)-1]
	}
	j.copiesGoneLocked(dead, extra)
	return dead, extra
}

// removeSlots returns files to the file system.
func (j *Journal) removeSlots(extra []*slot) error {
	if len(extra) == 0 {
		return nil
	}
	for _, s := range extra {
		if err := j.wr.st.fs.Remove(filepath.Join(j.wr.st.dir, slotName(s.no))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		s.f.Close()
		j.mu.Lock()
		j.slots[s.no] = nil
		j.mu.Unlock()
	}
	return j.wr.st.fs.SyncDir(j.wr.st.dir)
}

// housekeep frees what is dead and sees to a spare slot before it is needed.
func (j *Journal) housekeep() error {
	if _, err := j.freeDead(); err != nil {
		return err
	}
	if err := j.compact(); err != nil {
		return err
	}
	_, spares := j.spare(j.wr.st.segSize)
	if spares < 1 && j.wr.off > j.wr.slot.size/2 {
		if _, err := j.addSlot(j.wr.st.segSize); err != nil && !errors.Is(err, errNoSpace) {
			return err
		}
	}
	return j.roomAgain()
}

// roomAgain ends the full state when a segment can be had.
func (j *Journal) roomAgain() error {
	j.mu.Lock()
	full := j.full != nil && time.Since(j.fullTried) >= time.Second
	if full {
		j.fullTried = time.Now()
	}
	j.mu.Unlock()
	if !full {
		return nil
	}
	ok, err := j.twoSpare()
	if err == nil && !ok {
		if err = j.beginAnew(); err == nil {
			ok, err = j.twoSpare()
		}
	}
	if err != nil || !ok {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = nil
	j.log.Info("journal has room again")
	j.wantLocked(Event, time.Now())
	return nil
}

// twoSpare sees to two empty slots, if they can be had.
func (j *Journal) twoSpare() (ok bool, err error) {
	_, spares := j.spare(j.wr.st.segSize)
	for ; spares < 2; spares++ {
		if _, err := j.addSlot(j.wr.st.segSize); errors.Is(err, errNoSpace) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}
