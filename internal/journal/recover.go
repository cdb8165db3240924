package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Recovery reads the segments in the order of the log and replays their frames,
// cuts the end that a power cut tore, and makes sure of three things before the
// first new append: what was cut can never be taken for later frames (scrub), what
// was read is on disk (sync), and no Seq that may have been used is used again
// (reserve). It changes nothing else, so that a crash in it costs nothing.

// recovery is what Open knows while it reads.
type recovery struct {
	j       *Journal
	used    []*segment // in the order of the log
	spare   []spareSlot
	epoch   uint32 // highest seen
	queues  map[uint32]*Queue
	states  map[uint32]queueState
	at      map[uint32]uint64 // firstLSN of the segment that the state was in
	dropped map[uint32]bool
}

// segment is a slot that holds a part of the log.
type segment struct {
	*slot
	epoch  uint32
	states bool // the states of all queues are in it
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
	if len(r.used) == 0 {
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
	return r.ready()
}

// openSlots opens the files of the store and sorts them into the log, spare ones,
// and what is not ours.
func (r *recovery) openSlots() error {
	st := r.j.wr.st
	names, err := st.fs.ReadDir(st.dir)
	if err != nil {
		return err
	}
	var lost []*slot // neither copy of the header is intact
	for _, name := range names {
		var no int
		if n, err := fmt.Sscanf(name, "%05d.seg", &no); n != 1 || err != nil || name != slotName(no) || no < 1 || no > maxSlots {
			if strings.HasSuffix(name, ".seg") {
				return fmt.Errorf("%w: %s is not the name of a segment", ErrFormat, name)
			}
			continue
		}
		f, err := st.fs.OpenFile(filepath.Join(st.dir, name), os.O_RDWR)
		if err != nil {
			return err
		}
		s := &slot{no: no, f: f}
		r.j.putSlotLocked(s)
		if s.size, err = f.Size(); err != nil {
			return err
		}
		ok, err := r.sortSlot(s)
		if err != nil {
			return err
		}
		if !ok {
			lost = append(lost, s)
		}
	}
	for _, s := range lost {
		if err := r.sortLost(s); err != nil {
			return err
		}
	}
	slices.SortFunc(r.used, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.firstLSN, b.firstLSN), cmp.Compare(a.segno, b.segno))
	})
	return nil
}

// sortSlot reads the header of s; ok is false if there is none.
func (r *recovery) sortSlot(s *slot) (ok bool, err error) {
	st := r.j.wr.st
	b := make([]byte, headerBlock)
	if _, err := s.f.ReadAt(b, 0); err != nil && err != io.EOF {
		return false, fmt.Errorf("read %s: %w", slotName(s.no), err)
	}
	h, ok := parseHeader(b)
	if !ok {
		return false, nil
	}
	if s.size <= headerBlock { // its making was cut short
		r.j.slots[s.no] = nil
		s.f.Close()
		return true, st.fs.Remove(filepath.Join(st.dir, slotName(s.no)))
	}
	if h.format != formatNumber {
		return false, fmt.Errorf("%w: %s has format %d, this program knows %d (written by a newer version?)", ErrFormat, slotName(s.no), h.format, formatNumber)
	}
	if st.salt != 0 && h.salt != st.salt {
		return false, fmt.Errorf("%w: %s belongs to another store (files of two stores in one directory?)", ErrFormat, slotName(s.no))
	}
	st.salt = h.salt
	st.segno = max(st.segno, h.segno)
	r.epoch = max(r.epoch, h.epoch)
	r.j.wr.lsn = max(r.j.wr.lsn, h.firstLSN)
	s.segno, s.firstLSN = h.segno, h.firstLSN
	if s.used = h.state == slotUsed; s.used {
		r.used = append(r.used, &segment{slot: s, epoch: h.epoch})
	} else {
		r.spare = append(r.spare, spareSlot{s, h})
	}
	return true, nil
}

// sortLost finds a use for a slot without a header: a spare one if it is empty, a
// part of the log if its frames are of this store. Anything else is put aside.
func (r *recovery) sortLost(s *slot) error {
	st := r.j.wr.st
	b := make([]byte, s.size)
	if _, err := s.f.ReadAt(b, 0); err != nil && err != io.EOF {
		return fmt.Errorf("read %s: %w", slotName(s.no), err)
	}
	if s.size == st.segSize && !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return nil // a power cut between the making of the file and its first use
	}
	if st.salt != 0 && len(b) > headerBlock {
		if f, _, ok := parseFrame(b[headerBlock:], st.salt); ok {
			s.used, s.firstLSN = true, f.lsn
			r.used = append(r.used, &segment{slot: s, epoch: f.epoch})
			r.j.stats.Damaged++
			return nil
		}
	}
	r.j.slots[s.no] = nil
	s.f.Close()
	name := filepath.Join(st.dir, slotName(s.no))
	if s.size < st.segSize && !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return st.fs.Remove(name) // was never finished
	}
	r.j.log.Warn("not a journal segment, put aside", "file", name+".damaged")
	return st.fs.Rename(name, name+".damaged")
}

// replay reads one segment. next is the first lsn of the one after it; 0 for the
// newest, whose end may be torn.
func (r *recovery) replay(s *segment, next uint64) error {
	w := r.j.wr
	b := make([]byte, s.size)
	if _, err := s.f.ReadAt(b, 0); err != nil && err != io.EOF {
		return fmt.Errorf("read %s: %w", slotName(s.no), err)
	}
	frames := findFrames(b, w.st.salt, s.firstLSN, s.epoch)
	end := int64(headerBlock)
	if next == 0 {
		var keep int
		keep, end = tornFrom(frames, s.firstLSN)
		frames = frames[:keep]
	}
	lsn := s.firstLSN
	sealed := false
	for _, f := range frames {
		if next > 0 && f.lsn >= next {
			break // left behind by a write that failed; the next segment has it again
		}
		if f.lsn > lsn {
			r.damaged(s, f.lsn-lsn)
		}
		if err := r.apply(s, f); err != nil {
			r.damaged(s, 1)
		}
		r.epoch = max(r.epoch, f.epoch)
		sealed = frameKind(f.body[0]) == kindSeal
		lsn = f.lsn + 1
	}
	if next > lsn && !sealed {
		r.damaged(s, 1) // at least: how many there were stood in what is damaged
	}
	if next > 0 {
		if s.states {
			r.j.prev = s.slot
		}
		return nil
	}
	w.slot, w.lsn, w.durable = s.slot, lsn, lsn-1
	w.off, w.syncedOff = end, end
	if err := r.scrub(s, b, end); err != nil {
		return err
	}
	return r.writeAgain(s, b[:end], frames)
}

func (r *recovery) damaged(s *segment, n uint64) {
	r.j.stats.Damaged += n
	r.j.log.Warn("journal damaged", "file", slotName(s.no), "frames", n)
}

// scrub overwrites what a torn commit left behind the end, if it could be taken for
// frames of a later commit.
func (r *recovery) scrub(s *segment, b []byte, end int64) error {
	w := r.j.wr
	if to, any := leftovers(b, end, w.st.salt, w.lsn, r.epoch); any {
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
		r.j.entries[key] = &entry{loc: onDisk(s.no, f.off, n), tomb: tomb, logged: true}
	case kindQueue:
		st, err := parseState(f.body)
		if err != nil {
			return err
		}
		r.states[st.id], r.at[st.id] = st, s.firstLSN
		r.j.nextID = max(r.j.nextID, st.id)
		r.j.last = max(r.j.last, st.last, st.low)
	case kindDrop:
		id, err := parseDrop(f.body)
		r.dropped[id] = true
		return err
	case kindReserve:
		limit, nextID, err := parseReserve(f.body)
		s.states = true
		r.j.last = max(r.j.last, limit)
		r.j.nextID = max(r.j.nextID, nextID)
		return err
	}
	return nil
}

// queue returns the queue with the id; its name may come later.
func (r *recovery) queue(id uint32) *Queue {
	q := r.queues[id]
	if q == nil {
		q = &Queue{j: r.j, id: id, wake: make(chan struct{}, 1)}
		r.queues[id] = q
	}
	return q
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

// settle works out who still waits for what.
func (r *recovery) settle() {
	j := r.j
	since := r.statesSince()
	for id, st := range r.states {
		if r.dropped[id] || r.at[id] < since {
			continue
		}
		q := r.queue(id)
		q.name, q.last, q.past, q.gaps, q.stats = st.name, st.last, st.past, st.gaps, st.stats
		r.takePast(q, st)
		for s, ok := q.wait.first(); ok; s, ok = q.wait.next(s + 1) {
			p := j.index.page(s)
			if p.refs[s%pageLen] == 0 {
				p.n++
				j.liveLocked(p.loc[s%pageLen])
			}
			p.refs[s%pageLen]++
			q.bytes += int64(p.loc[s%pageLen].dataLen())
			q.last = max(q.last, s)
		}
		j.queues[q.name], j.byID[id] = q, q
		j.durable = append(j.durable, q)
	}
	slices.SortFunc(j.durable, func(a, b *Queue) int { return cmp.Compare(a.id, b.id) })
	for no, p := range j.index.pages {
		if p.n == 0 {
			delete(j.index.pages, no)
		}
	}
	j.index.last = nil
	for key, e := range j.entries {
		if e.tomb && !j.tombNeededLocked(j.slots[e.loc.slot()]) {
			delete(j.entries, key)
			continue
		}
		j.liveLocked(e.loc)
	}
}

// statesSince returns where the last two segments that know all queues begin: one
// that neither knows was dropped, and the frame that said so has been overwritten.
func (r *recovery) statesSince() (lsn uint64) {
	n := 0
	for i := len(r.used) - 1; i >= 0 && n < 2; i-- {
		if r.used[i].states {
			lsn = r.used[i].firstLSN
			n++
		}
	}
	return lsn
}

// takePast takes off q what its state says is gone.
func (r *recovery) takePast(q *Queue, st queueState) {
	for s, ok := q.wait.first(); ok && s <= st.low; s, ok = q.wait.first() {
		q.wait.remove(s)
	}
	for _, p := range st.past {
		for s, ok := q.wait.next(p.from); ok && s <= p.to; s, ok = q.wait.next(s + 1) {
			q.wait.remove(s)
		}
	}
}

// ready makes the log fit for the first append.
func (r *recovery) ready() error {
	j := r.j
	j.wr.epoch = r.epoch + 1
	j.limit, j.limitWritten = j.last, j.last
	for _, q := range j.durable {
		q.dirty = true // the power cut may have taken the states at the start of the segment
	}
	err := j.writeStates()
	if err == nil {
		err = j.wr.sync()
	}
	switch {
	case errors.Is(err, errNoSpace):
		// What waits can be read and acknowledged; appends are refused until that, or
		// somebody else, has made room.
		j.undo()
		j.fill(err)
	case err != nil:
		return err
	}
	j.limit = j.limitWritten
	for _, s := range j.slots {
		if s != nil && s.used && s.segno == 0 {
			s.segno = s.firstLSN // its header is lost; only the order matters
		}
	}
	_, err = j.freeDead()
	return err
}
