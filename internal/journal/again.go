package journal

import (
	"errors"
	"strings"
)

// Some frames stand twice, in different pages or files: what whole queues hang on (a new
// queue's first state, the entries that Options.Twice names) and what keeps the dead dead
// (the end of a queue, the removal of an entry). The second copy is written when the log has
// gone on by copyApart, or with the mark when it does not. If the thing changed until then,
// none is written: the change gets its own.
type second struct {
	key  string   // of an entry, with
	data []byte   // its value, if that is still in memory: the first copy may be damaged by now
	loc  location // where its frame is, or
	tomb bool     // the entry was removed, and may be forgotten by now
	q    *Queue   // a queue whose state is meant, or
	drop uint32   // the id of one that is gone
	slot int      // of the first copy
	off  int64    // of it
}

// copyApart is how many bytes lie between the copies: one damaged page leaves one.
const copyApart = 4096

func (j *Journal) twice(key string) bool {
	for _, p := range j.opt.Twice {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// writeAgain encodes the second copies for which it is time; all of them if forced.
func (j *Journal) writeAgain(force bool) error {
	if len(j.again) == 0 {
		return nil
	}
	w := j.wr
	items := j.again
	j.again, j.againSpare = j.againSpare[:0], nil
	defer func() {
		clear(items)
		j.againSpare = items[:0]
	}()
	for i, it := range items {
		if !force && it.slot == w.slot.no && w.tail() < it.off+copyApart {
			j.again = append(j.again, it)
			continue
		}
		if err := j.copyOnce(it); err != nil {
			j.again = append(j.again, items[i:]...)
			if errors.Is(err, errNoSpace) {
				return nil // a second copy is worth no eviction
			}
			return err
		}
	}
	return nil
}

// copyOnce encodes one second copy, if the thing is still as it was.
func (j *Journal) copyOnce(it second) error {
	w := j.wr
	var body []byte
	switch {
	case it.tomb:
		if body = j.removalBody(it.key); body == nil {
			return nil
		}
	case it.key != "":
		if body = j.entryBody(it); body == nil {
			return nil
		}
	case it.drop != 0:
		body = appendDropBody(nil, it.drop)
	default:
		j.mu.Lock()
		if it.q.id != 0 {
			body = it.q.appendStateLocked(nil, j.onDiskUpToLocked())
		}
		j.mu.Unlock()
		if body == nil {
			return nil
		}
	}
	size := frameSize(len(body))
	pad := int64(0)
	if it.slot == w.slot.no {
		pad = max(0, it.off+copyApart-w.tail())
	}
	for ; !w.fits(int(pad) + size); pad = 0 {
		if err := j.rotate(size, true); err != nil {
			return err
		}
	}
	w.padTo(w.tail() + pad)
	at := w.start()
	w.buf = append(w.buf, body...)
	off := w.end(at)
	switch {
	case it.key != "":
		j.mu.Lock()
		if e := j.entries[it.key]; e != nil && e.pos == 0 && e.loc == it.loc {
			e.copy = onDisk(w.slot.no, off, it.loc.dataLen())
		}
		j.mu.Unlock()
	case it.slot == w.slot.no:
		j.near = append(j.near, it)
	}
	return nil
}

// removalBody is a removal as it is written, nil if the entry is there again.
func (j *Journal) removalBody(key string) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entries[key]; e != nil && (!e.tomb || e.pos != 0) {
		return nil
	}
	return append([]byte{byte(kindDelete)}, key...)
}

// entryBody reads the frame of an entry, nil if it is no longer the newest or not readable.
func (j *Journal) entryBody(it second) []byte {
	j.mu.Lock()
	e := j.entries[it.key]
	if e == nil || e.pos != 0 || e.loc != it.loc {
		j.mu.Unlock()
		return nil
	}
	s := j.slots[it.loc.slot()]
	j.mu.Unlock()
	if it.data != nil {
		return appendPutBody(nil, it.key, it.data)
	}
	body, err := readFrame(s, it.loc, j.wr.st.salt, len(it.key))
	if err != nil {
		return nil // Get will find out, and count it
	}
	return body
}

// spreadLocked has the entries of the segment that was left stand in the next one as well:
// the loss of a file leaves one copy. The same for the queues that are new or gone.
func (j *Journal) spreadLocked() {
	j.again = append(j.again, j.near...)
	clear(j.near)
	j.near = j.near[:0]
	for _, key := range j.young {
		e := j.entries[key]
		if e != nil {
			e.young = false
		}
		if e != nil && e.pos == 0 && e.loc != 0 && (e.copy == 0 || e.copy.slot() == e.loc.slot()) {
			j.again = append(j.again, second{key: key, loc: e.loc, tomb: e.tomb, slot: e.loc.slot(), off: e.loc.offset()})
		}
	}
	j.young = j.young[:0]
}

// copiesGoneLocked: the slots are about to be used for something else, or to be removed.
func (j *Journal) copiesGoneLocked(reused, removed []*slot) {
	if len(reused)+len(removed) == 0 {
		return
	}
	gone := make([]bool, len(j.slots))
	for _, s := range append(reused[:len(reused):len(reused)], removed...) {
		gone[s.no] = true
	}
	for key, e := range j.entries {
		if e.copy != 0 && gone[e.copy.slot()] {
			e.copy = 0
			if e.pos == 0 && e.loc != 0 {
				j.again = append(j.again, second{key: key, loc: e.loc, tomb: e.tomb, slot: e.loc.slot(), off: e.loc.offset()})
			}
		}
	}
}
