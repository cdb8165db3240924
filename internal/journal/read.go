package journal

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Bounds of one Read.
const (
	readBytes = 4 << 20   // of data; a reader who gets less than it asked for is woken again
	readRun   = 256 << 10 // of one call to the file
)

// Read appends to buf up to max records that wait, the oldest first, beginning
// after the given Seq (0: from the first that waits). Acknowledged ones are left
// out. It may read the disk; a record found damaged there is dropped, counted, and
// part of the next Gap. The data of several Items may share memory.
func (q *Queue) Read(after Seq, max int, buf []Item) ([]Item, error) {
	return q.j.read(q, after, max, buf, true)
}

// foundDamage is logged when what a start found sound is damaged now.
const foundDamage = "journal found damage"

// want is a record that a read has to fetch from the disk.
type want struct {
	at   int // in the result
	loc  location
	size int64 // of the frame, at most
}

// read is Read; with gaps it takes the gaps of the queue along.
func (j *Journal) read(q *Queue, after Seq, max int, buf []Item, gaps bool) ([]Item, error) {
	first := len(buf)
	for max > 0 {
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return buf, ErrClosed
		}
		start := len(buf)
		var wants []want
		buf, wants = j.collectLocked(q, after, max, buf, gaps)
		j.pinLocked(wants, 1)
		j.mu.Unlock()
		if len(buf) == start {
			return buf, nil
		}
		after = buf[len(buf)-1].Seq
		bad, err := j.fetch(buf, wants)
		j.mu.Lock()
		j.pinLocked(wants, -1)
		if err != nil {
			j.mu.Unlock()
			return buf[:first], err
		}
		if len(bad) > 0 {
			from := buf[bad[0]].Seq
			buf = j.dropDamagedLocked(q, buf, bad)
			j.unlockAndNotify()
			j.log.Warn(foundDamage, "queue", q.name, "lost", len(bad), "from", from)
		} else {
			j.mu.Unlock() // a Read alone calls no Waiter
		}
		if len(buf) > first {
			return buf, nil
		}
	}
	return buf, nil
}

// collectLocked fills buf with what waits; the data of wants is still on disk.
func (j *Journal) collectLocked(q *Queue, after Seq, max int, buf []Item, gaps bool) ([]Item, []want) {
	var wants []want
	size := 0
	s, ok := q.wait.next(after + 1)
	for ; ok && max > 0; max-- {
		if size >= readBytes {
			q.wakeLocked()
			break
		}
		it := Item{Seq: s}
		if gaps && len(q.gaps) > 0 {
			it.Gap = q.takeGapLocked(s)
		}
		if q.memory {
			r := j.mem[s]
			it.Time, it.Data = time.Unix(0, r.at), r.data
		} else if l, refs := j.index.get(s); l.pending() {
			p := j.pend.at(l.pendPos())
			it.Time, it.Data = time.Unix(0, p.at), p.data
		} else {
			n := l.dataLen()
			wants = append(wants, want{len(buf), l, int64(recordSize(int(refs)+16, n))})
			size += n
		}
		size += len(it.Data)
		buf = append(buf, it)
		s, ok = q.wait.next(s + 1)
	}
	return buf, wants
}

func (j *Journal) pinLocked(wants []want, n int) {
	for _, w := range wants {
		j.slots[w.loc.slot()].readers += n
	}
}

// fetch reads the wants from the disk, neighbours with one call, and returns the
// places in buf of those that are damaged.
func (j *Journal) fetch(buf []Item, wants []want) (bad []int, err error) {
	for len(wants) > 0 {
		n := runOf(wants)
		run := wants[:n]
		wants = wants[n:]
		j.mu.Lock()
		s := j.slots[run[0].loc.slot()]
		j.mu.Unlock()
		from := run[0].loc.offset()
		to := min(run[n-1].loc.offset()+run[n-1].size, s.size)
		b := make([]byte, to-from)
		_, err := s.f.ReadAt(b, from)
		alone := errors.Is(err, syscall.EIO) // something around them is not given back by the medium
		if err != nil && !alone {
			return nil, fmt.Errorf("read %s: %w", slotName(s.no), err)
		}
		for _, w := range run {
			frame := b[w.loc.offset()-from:]
			if alone {
				if frame, err = readAlone(s, w.loc); err != nil {
					return nil, fmt.Errorf("read %s: %w", slotName(s.no), err)
				}
			}
			if !j.take(s, frame, w, &buf[w.at]) {
				bad = append(bad, w.at)
			}
		}
	}
	return bad, nil
}

// readAlone reads the frame at l and not a byte more.
func readAlone(s *slot, l location) ([]byte, error) {
	b := make([]byte, frameHeader)
	if _, err := s.f.ReadAt(b, l.offset()); err != nil {
		return nil, err
	}
	b = make([]byte, min(int64(frameLen(b)), s.size-l.offset()))
	_, err := s.f.ReadAt(b, l.offset())
	return b, err
}

// runOf returns how many of the first wants lie close behind each other.
func runOf(wants []want) int {
	first := wants[0].loc
	n := 1
	for ; n < len(wants); n++ {
		prev, l := wants[n-1].loc, wants[n].loc
		if l.slot() != first.slot() || l.offset() <= prev.offset() ||
			l.offset() > prev.offset()+wants[n-1].size+8<<10 || l.offset()-first.offset() > readRun {
			break
		}
	}
	return n
}

// take checks the frame at the start of b, or reads it again if b is too short
// (many consumers), and fills the item.
func (j *Journal) take(s *slot, b []byte, w want, it *Item) bool {
	_, body, ok := parseFrame(b, j.wr.st.salt)
	if !ok {
		var err error
		if body, err = readFrame(s, w.loc, j.wr.st.salt, 0); err != nil {
			return false
		}
	}
	if frameKind(body[0]) != kindRecord {
		return false
	}
	rec, err := parseRecordBody(body)
	if err != nil || rec.seq != it.Seq {
		return false
	}
	it.Time, it.Data = time.Unix(0, rec.time), rec.data
	return true
}

// readFrame reads the frame at l alone. extra is added to the first guess of its size.
func readFrame(s *slot, l location, salt uint32, extra int) ([]byte, error) {
	size := int64(recordSize(16, l.dataLen()) + extra)
	for {
		b := make([]byte, min(size, s.size-l.offset()))
		_, err := s.f.ReadAt(b, l.offset())
		if errors.Is(err, syscall.EIO) { // what stands behind it is not given back by the medium
			b, err = readAlone(s, l)
		}
		if err != nil {
			return nil, err
		}
		if _, body, ok := parseFrame(b, salt); ok {
			return body, nil
		}
		n := int64(frameLen(b))
		if n <= int64(len(b)) || l.offset()+n > s.size {
			return nil, errFrame
		}
		size = n
	}
}

// dropDamagedLocked takes the damaged items out of the queue and of the result.
// What the other queues of such a record lose, they find at their own Read.
func (j *Journal) dropDamagedLocked(q *Queue, buf []Item, bad []int) []Item {
	for i := len(bad) - 1; i >= 0; i-- {
		at := bad[i]
		lost := buf[at]
		q.dropLocked(lost.Seq, &q.stats.Damaged)
		j.stats.Damaged++
		buf = append(buf[:at], buf[at+1:]...)
		if at < len(buf) {
			buf[at].Gap += lost.Gap + q.takeGapLocked(buf[at].Seq)
		} else if lost.Gap > 0 {
			q.gaps = append(q.gaps, gap{lost.Seq, lost.Gap})
		}
	}
	return buf
}
