package journal

import (
	"errors"
	"time"
)

// Compaction copies the few things that are still wanted in a segment to the end
// of the log, so that one old record or one value that never changes does not keep
// a whole file. It never rewrites the rest.

// moved is something that was copied and has to be found at its new place.
type moved struct {
	seq  Seq
	key  string
	from location
	to   location
}

const compactPause = 10 * time.Second

// compact copies one segment if that pays.
func (j *Journal) compact() error {
	j.compacting = true
	defer func() { j.compacting = false }()
	if j.wr.broken && j.full != nil { // what goes there now is not believed by a recovery
		if err := j.enterNew(); err != nil && !errors.Is(err, errNoSpace) {
			return err
		}
	}
	s := j.compactable()
	if s == nil || j.wr.broken {
		return nil
	}
	return j.compactSlot(s)
}

// compactable picks the segment with the least in it: when files run out, if a
// quarter of it is gained (in a full journal into a file beyond the bound, if it must be); otherwise only if it is nearly empty and nothing of it
// went away in a while, because a segment that is being drained empties itself.
func (j *Journal) compactable() *slot {
	j.mu.Lock()
	defer j.mu.Unlock()
	used, spares, size := 0, 0, int64(0)
	var least *slot
	for _, s := range j.slots {
		if s == nil {
			continue
		}
		size += s.size
		if !s.used {
			spares++
			continue
		}
		used++
		if !j.pinned(s) && !s.bad && s.live > 0 && (least == nil || s.liveBytes < least.liveBytes) {
			least = s
		}
	}
	if least == nil {
		return nil
	}
	short := spares < 2 && (j.full != nil || size+j.wr.st.segSize > j.wr.st.max)
	left := j.wr.slot.size * 7 / 8
	if spares == 0 {
		left = j.wr.slot.size - sealSize
	}
	here := j.wr.tail()+least.liveBytes+4*int64(least.live) < left
	beyond := j.full != nil && size <= j.wr.st.max
	if short && (spares > 0 || here || beyond) && least.liveBytes < least.size*3/4 {
		return least
	}
	if time.Since(j.looked) < compactPause {
		return nil
	}
	j.looked = time.Now()
	idle := least.idleLive == least.live
	for _, s := range j.slots {
		if s != nil {
			s.idleLive = s.live
		}
	}
	if used > 4 && idle && least.liveBytes < least.size/8 {
		return least
	}
	return nil
}

// compactSlot copies what is wanted of s and finds it at its new place.
func (j *Journal) compactSlot(s *slot) error {
	b := make([]byte, s.size)
	if _, err := s.f.ReadAt(b, 0); err != nil {
		j.log.Error("journal segment cannot be read", "err", err)
		s.bad = true
		return nil
	}
	fits := j.wr.fits
	if fit, _ := j.spare(j.wr.st.segSize); fit == nil { // then the room for positions is for what makes room
		fits = j.wr.fitsState
	}
	var done []moved
	copied := 0
	settle := func() error { // before another segment is begun: the copies must count in theirs
		if err := j.wr.sync(); err != nil {
			return err
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, m := range done {
			j.movedLocked(m)
		}
		copied, done = copied+len(done), done[:0]
		return nil
	}
	frames := findFrames(b, j.wr.st.salt, s.firstLSN, 0)
	for _, f := range frames {
		m, need := j.copyFrame(s, f, fits)
		if need > 0 {
			if err := settle(); err != nil {
				return err
			}
			if err := j.rotate(need, true); err != nil {
				if !errors.Is(err, errNoSpace) {
					return err
				}
				break
			}
			if s == j.wr.slot { // nothing of it was wanted any more
				return nil
			}
			m, _ = j.copyFrame(s, f, fits)
		}
		if m.to != 0 {
			done = append(done, m)
		}
	}
	if err := settle(); err != nil {
		return err
	}
	j.mu.Lock()
	if copied > 0 || s.live == 0 {
		j.loseLocked(s, frames)
	}
	j.unlockAndNotify()
	_, err := j.freeDead()
	return err
}

func (j *Journal) firstPending() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pend.first
}

// copyFrame encodes f again if it is wanted. If there is no room, need is its size.
//
// The copy names all consumers of the original, also those that have acknowledged:
// their positions say so, and may reach the disk later than the copy does.
func (j *Journal) copyFrame(s *slot, f found, fits func(int) bool) (m moved, need int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, body := 0, f.body
	switch frameKind(f.body[0]) {
	case kindRecord:
		rec, err := parseRecordBody(f.body)
		n = len(rec.data)
		m.seq, m.from = rec.seq, onDisk(s.no, f.off, n)
		l, refs := j.index.get(rec.seq)
		if err != nil || refs == 0 || l != m.from {
			return moved{}, 0
		}
		if refs&fullRefs == 0 {
			if brief, size := j.briefLocked(&rec, fits); brief != nil {
				body, n = brief, size
			}
		}
	case kindPut, kindDelete:
		if m.key, n = entryOf(f.body); n < 0 {
			return moved{}, 0
		}
		m.from = onDisk(s.no, f.off, n)
		// Also if a newer one is pending: in a full journal that has to wait for this very room.
		if e := j.entries[m.key]; e == nil || e.loc != m.from {
			return moved{}, 0
		}
	default:
		return moved{}, 0
	}
	w := j.wr
	if need = frameSize(len(body)); !fits(need) {
		return moved{}, need
	}
	at := w.start()
	w.buf = append(w.buf, body...)
	m.to = onDisk(w.slot.no, w.end(at), n)
	return m, 0
}

// briefLocked is the body of what is left of a record that only queues with Limits.Brief wait
// for, and the size of its data; nil if all of it is to be copied.
//
// Such a copy names none but them, or others would be given it after a power cut. So it must
// not be there before all that the others have counted.
func (j *Journal) briefLocked(rec *recordBody, fits func(int) bool) (body []byte, size int) {
	j.encodeStatesLocked(fits)
	if j.droppedWritten < len(j.dropped) {
		return nil, 0
	}
	var ids []uint32
	var data []byte
	for r, n := rec.ids, rec.n; n > 0; n-- {
		id := uint32(r.Uvarint())
		switch q := j.byID[id]; {
		case q == nil:
		case q.wait.has(rec.seq):
			ids, data = append(ids, id), q.lim.Brief(rec.data)
		case q.dirty:
			return nil, 0
		}
	}
	if len(data) >= len(rec.data) {
		return nil, 0
	}
	return appendRecordBody(nil, rec.seq, rec.time, ids, data), len(data)
}

// entryOf returns the key and the length of the value of an entry frame, -1 if it is
// neither a value nor a removal.
func entryOf(body []byte) (key string, n int) {
	if frameKind(body[0]) == kindDelete {
		return string(body[1:]), 0
	}
	key, value, err := parsePutBody(body)
	if err != nil {
		return "", -1
	}
	return key, len(value)
}

// movedLocked points to the copy, unless the thing changed in the meantime.
func (j *Journal) movedLocked(m moved) {
	to := j.slots[m.to.slot()]
	if m.key != "" {
		to.puts = true
		if e := j.entries[m.key]; e != nil && e.loc == m.from {
			j.deadLocked(m.from)
			e.loc = m.to
			j.liveLocked(m.to)
		}
		return
	}
	if l, refs := j.index.get(m.seq); refs > 0 && l == m.from {
		from := j.slots[m.from.slot()]
		from.live--
		from.liveBytes -= wantedOf(m.from, refs)
		j.index.move(m.seq, m.to)
		j.liveRecordLocked(m.to, refs)
		to.maxSeq = max(to.maxSeq, m.seq)
	}
}

// loseLocked gives up what should be in s and is not in its readable frames.
func (j *Journal) loseLocked(s *slot, frames []found) {
	if s.live == 0 {
		return
	}
	before := j.stats.Damaged
	defer func() {
		if n := j.stats.Damaged - before; n > 0 {
			j.log.Warn(foundDamage, "file", slotName(s.no), "lost", n)
		}
	}()
	there := make(map[int64]bool, len(frames))
	for _, f := range frames {
		there[f.off] = true
	}
	for no, p := range j.index.pages {
		for i, l := range p.loc {
			if p.refs[i] == 0 || l.slot() != s.no || there[l.offset()] {
				continue
			}
			j.stats.Damaged++
			for _, q := range j.durable {
				q.dropLocked(Seq(no*pageLen+uint64(i)), &q.stats.Damaged)
			}
		}
	}
	for key, e := range j.entries {
		if e.loc != 0 && e.loc.slot() == s.no && !there[e.loc.offset()] {
			j.deadLocked(e.loc)
			if e.loc, e.copy = e.copy, 0; e.loc != 0 && e.loc.slot() != s.no {
				j.liveLocked(e.loc)
				j.again = append(j.again, second{key: key, loc: e.loc, slot: e.loc.slot(), off: e.loc.offset()})
				continue
			}
			j.stats.Damaged++
			if e.loc = 0; e.pos == 0 {
				delete(j.entries, key)
			}
		}
	}
}
