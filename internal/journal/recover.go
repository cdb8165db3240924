package journal

import (
	"errors"
	"fmt"
	"hash/crc32"

	"sensorgate/internal/varint"
)

// Recovery reads the segments in the order of the log and replays their frames,
// cuts the end that a power cut tore, and makes sure of three things before the
// first new append: what was cut can never be taken for later frames (scrub), what
// was read is on disk (sync), and no Seq that may have been used is used again
// (reserve). It changes nothing else, so that a crash in it costs nothing.

// recovery is what Open knows while it reads.
type recovery struct {
	j     *Journal
	used  []*segment // in the order of the log
	spare []spareSlot
	epoch uint32 // latest seen

	anyEpoch bool
	queues   map[uint32]*Queue
	states   map[uint32]queueState
	at       map[uint32]uint64 // lsn of the state
	dropped  map[uint32]bool

	checkpoints []checkpoint // complete ones, in the order of the log
	loss        loss
}

// segment is a slot that holds a part of the log.
type segment struct {
	*slot
	epoch  uint32
	format uint32
	next   int // slot of the segment after it, 0 if it does not say so
}

// spareSlot is a slot that was marked free, with the header that says so.
type spareSlot struct {
	*slot
	h header
}

func (j *Journal) recover() error {
	r := &recovery{j: j, queues: map[uint32]*Queue{}, states: map[uint32]queueState{}, at: map[uint32]uint64{}, dropped: map[uint32]bool{}}
	if err := r.openSlots(); err != nil {
		return err
	}
	j.wr.epoch = r.epoch
	// A process that was killed while it made a file left a name that only the page cache has: what is written there
	// from now on would be gone with it.
	if err := j.wr.st.fs.SyncDir(j.wr.st.dir); err != nil {
		return err
	}
	if len(r.used) == 0 {
		r.report()
		return j.begin()
	}
	for i, s := range r.used {
		next := uint64(0)
		if i+1 < len(r.used) {
			next = r.used[i+1].firstLSN
		}
		if err := r.replay(s, next); err != nil {
			return err
		}
	}
	r.settle()
	r.report()
	return r.ready()
}

// replay reads one segment. next is the first lsn of the one after it; 0 for the
// newest, whose end may be torn.
func (r *recovery) replay(s *segment, next uint64) error {
	w := r.j.wr
	b := make([]byte, s.size)
	if err := r.readSlot(s.slot, b); err != nil {
		return fmt.Errorf("read %s: %w", slotName(s.no), err)
	}
	frames := findFrames(b, w.st.salt, s.firstLSN, s.epoch)
	end, last := int64(headerBlock), s.firstLSN
	if next == 0 {
		var keep int
		keep, end, last = tornFrom(b, frames, s, w.st.salt)
		frames = frames[:keep]
	}
	lsn := s.firstLSN
	sealed := false
	for _, f := range frames {
		if next > 0 && f.lsn >= next {
			break // left behind by a write that failed; the next segment has it again
		}
		if f.lsn > lsn {
			r.loss.hole(s, f.lsn-1, f.lsn-lsn)
		}
		if err := r.apply(s, f); err != nil {
			r.loss.hole(s, f.lsn, 1)
		}
		r.sawEpoch(f.epoch)
		sealed = frameKind(f.body[0]) == kindSeal
		lsn = f.lsn + 1
	}
	if next > lsn && !sealed {
		r.loss.end(s, next-1) // how many there were stood in what is damaged
	}
	if next > 0 {
		return nil
	}
	if last > lsn { // one bit is wrong in what was written last
		r.loss.hole(s, last-1, last-lsn)
		lsn, sealed = last, false
	}
	if sealed && s.next > 0 && (s.next >= len(r.j.slots) || r.j.slots[s.next] == nil) {
		r.loss.end(s, lsn) // the file in which the log went on is gone
	}
	w.slot, w.lsn, w.durable = s.slot, lsn, lsn-1
	w.off, w.syncedOff = end, end
	if err := r.scrub(s, b, end); err != nil {
		return err
	}
	return r.writeAgain(s, b[:end], frames)
}

// scrub overwrites what a torn commit left behind the end, if it could be taken for
// frames of a later commit.
func (r *recovery) scrub(s *segment, b []byte, end int64) error {
	w := r.j.wr
	if to, any := leftovers(b, end, w.st.salt, w.lsn); any {
		r.j.stats.TornBytes = uint64(to - end)
		r.j.log.Info("journal: torn end cut", "file", slotName(s.no), "bytes", to-end)
		if err := w.st.zero(s.slot, end, s.size); err != nil {
			return err
		}
	}
	return nil
}

// writeAgain puts on disk what only the page cache may have after a kill: the
// frames that no later frame knows as durable, and the headers nobody has built
// upon. A sync alone would not do: if the last process died of a failed one, the
// kernel has marked the pages clean and would not write them.
func (r *recovery) writeAgain(s *segment, b []byte, frames []found) error {
	st := r.j.wr.st
	durable, from := uint64(0), int64(0)
	for _, f := range frames {
		durable = max(durable, f.durable)
	}
	for _, f := range frames {
		if f.lsn <= durable {
			from = f.off + int64(f.size)
		}
	}
	if from < int64(len(b)) {
		if err := st.write(s.slot, b[from:], from); err != nil {
			return err
		}
	}
	if err := st.sync(s.slot); err != nil {
		return err
	}
	if n := len(frames); n > 0 && frameKind(frames[n-1].body[0]) == kindClose {
		return nil
	}
	for _, free := range r.spare {
		if err := st.write(free.slot, free.h.block(), 0); err != nil {
			return err
		}
		if err := st.sync(free.slot); err != nil {
			return err
		}
	}
	return nil
}

// apply replays one frame.
func (r *recovery) apply(s *segment, f found) error {
	switch frameKind(f.body[0]) {
	case kindRecord:
		rec, err := parseRecordBody(f.body)
		if err != nil {
			return err
		}
		if p := r.j.index.page(rec.seq); p != nil && len(rec.data) < p.loc[rec.seq%pageLen].dataLen() {
			r.forget(rec.seq) // what Limits.Brief left: only whom it names still waits
		}
		for ids := rec.ids; rec.n > 0; rec.n-- {
			r.queue(uint32(ids.Uvarint())).wait.add(rec.seq)
		}
		r.place(rec.seq, onDisk(s.no, f.off, len(rec.data)))
		s.maxSeq = max(s.maxSeq, rec.seq)
		r.j.last = max(r.j.last, rec.seq)
	case kindPut, kindDelete:
		key, n := entryOf(f.body)
		if n < 0 {
			return errFrame
		}
		tomb := frameKind(f.body[0]) == kindDelete
		s.puts = s.puts || !tomb
		e := &entry{loc: onDisk(s.no, f.off, n), tomb: tomb, logged: true, sum: crc32.Checksum(f.body, castagnoli)}
		if old := r.j.entries[key]; old != nil && old.sum == e.sum && old.loc.dataLen() == n {
			e.copy = old.loc
		}
		r.j.entries[key] = e
		r.loss.lastEntry = f.lsn
	case kindQueue:
		st, err := parseState(f.body)
		if err != nil {
			return err
		}
		r.states[st.id], r.at[st.id] = st, f.lsn
		r.usedID(st.id)
		r.j.last = max(r.j.last, st.last, st.low)
	case kindDrop:
		id, err := parseDrop(f.body)
		r.dropped[id] = true
		r.usedID(id)
		return err
	case kindReserve:
		limit, nextID, err := parseReserve(f.body)
		if s.format == 1 && err == nil { // the states of all queues begin each segment
			r.complete(s.firstLSN)
		}
		r.j.last = max(r.j.last, limit)
		r.j.nextID = max(r.j.nextID, nextID)
		return err
	default:
		return r.applySign(s, f)
	}
	return nil
}

// applySign replays a frame that says something about the log itself.
func (r *recovery) applySign(s *segment, f found) error {
	b := varint.NewReader(f.body[1:])
	switch frameKind(f.body[0]) {
	case kindCheckpoint:
		start, entries, err := parseCheckpoint(f.body)
		if err != nil || start > f.lsn {
			return errFrame
		}
		r.complete(start)
		r.loss.covered(f.lsn, entries)
	case kindMark:
		r.loss.covered(f.lsn, b.Uvarint())
	case kindClose:
		if len(f.body) > 1 { // not in format 1
			r.loss.covered(f.lsn, b.Uvarint())
		}
	case kindSeal:
		if len(f.body) > 1 {
			s.next = int(b.Number(maxSlots))
		}
	}
	if b.Failed() {
		return errFrame
	}
	return nil
}

// complete notes a checkpoint that began at lsn start.
func (r *recovery) complete(start uint64) {
	c := checkpoint{start: start}
	for _, s := range r.used {
		if s.firstLSN <= start {
			c.slotLSN = s.firstLSN
		}
	}
	if n := len(r.checkpoints); n == 0 || r.checkpoints[n-1].start < start {
		r.checkpoints = append(r.checkpoints, c)
	}
}

func (r *recovery) sawEpoch(e uint32) {
	if !r.anyEpoch || earlier(r.epoch, e) {
		r.epoch, r.anyEpoch = e, true
	}
}

// queue returns the queue with the id; its name may come later.
func (r *recovery) queue(id uint32) *Queue {
	q := r.queues[id]
	if q == nil {
		q = &Queue{j: r.j, id: id, wake: make(chan struct{}, 1)}
		r.queues[id] = q
		r.usedID(id)
	}
	return q
}

// usedID: no other queue may get the id, also if no reserve says so: a start on a full disk writes none.
func (r *recovery) usedID(id uint32) { r.j.nextID = max(r.j.nextID, id) }

// forget takes a record off all queues.
func (r *recovery) forget(s Seq) {
	for _, q := range r.queues {
		q.wait.remove(s)
	}
}

// place remembers where the newest copy of a record is; who waits is counted later.
func (r *recovery) place(s Seq, l location) {
	x := &r.j.index
	if p := x.page(s); p != nil {
		p.loc[s%pageLen] = l
		return
	}
	x.set(s, l, 0)
	x.page(s).n = 0
}

// ready makes the log fit for the first append.
func (r *recovery) ready() error {
	j := r.j
	j.wr.epoch = r.epoch + 1
	j.limit, j.limitWritten = j.last, j.last
	j.sinceCheckpoint = 1 << 40 // the next segment begins with one
	newest := r.used[len(r.used)-1]
	var err error
	if newest.format < formatNumber { // an older program must not take this for its own
		err = j.rotate(0, true)
	}
	if err == nil {
		err = j.writeStates()
	}
	if err == nil {
		err = j.wr.sync()
	}
	switch {
	case errors.Is(err, errNothing): // only looking
		j.undo()
	case errors.Is(err, errNoSpace):
		// What waits can be read and acknowledged; appends are refused until that, or
		// somebody else, has made room.
		j.undo()
		j.fill(err)
	case err != nil:
		return err
	}
	j.mu.Lock()
	j.checkpointDurableLocked()
	j.dropsDurableLocked()
	j.mu.Unlock()
	j.limit = j.limitWritten
	for _, s := range j.slots {
		if s != nil && s.used && s.segno == 0 {
			s.segno = s.firstLSN // its header is lost; only the order matters
		}
	}
	_, err = j.freeDead()
	return err
}
