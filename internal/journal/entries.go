package journal

import (
	"errors"
	"time"
)

// maxName bounds the names of queues and the keys of entries: an MQTT topic or
// client id with a prefix.
const maxName = 1 << 17

// entry is where the newest value of a key is.
type entry struct {
	pos    uint64   // 1 + position in the ring while it is pending
	loc    location // of the newest frame on disk, value or tombstone (of whatever tomb says, if none is pending); 0: none
	copy   location // of a second one, if it stands twice; 0: none
	sum    uint32   // checksum of the frame at loc, while a store is opened
	tomb   bool     // the newest frame (pending or on disk) is a removal
	logged bool     // some value of the key may be on disk: a removal must be too
	young  bool     // it is in Journal.young
	value  []byte   // only in a journal without a directory
}

// Put sets the entry of key to value, which the journal keeps. An empty value is
// a value; Delete removes. w may be nil; it hears when the value, or a newer one,
// is on disk. Values that are replaced within the class's window are never written.
func (j *Journal) Put(key string, value []byte, class CommitClass, w Waiter, token uint64) {
	j.entryAppend(kindPut, key, value, class, w, token)
}

// Delete removes the entry of key, if there is one.
func (j *Journal) Delete(key string, class CommitClass) {
	j.entryAppend(kindDelete, key, nil, class, nil, 0)
}

func (j *Journal) entryAppend(kind frameKind, key string, value []byte, class CommitClass, w Waiter, token uint64) {
	now := time.Now()
	j.mu.Lock()
	defer j.unlockAndNotify()
	j.waitRoomLocked(0)
	r := Record{Class: class, Waiter: w, Token: token}
	err := j.stateLocked(0)
	if len(key) > maxName || len(value) > maxBody {
		err = ErrTooLarge
	}
	if err != nil {
		j.refuseLocked(&r, err)
		return
	}
	if j.wr == nil {
		if kind == kindPut {
			j.entries[key] = &entry{value: value}
		} else {
			delete(j.entries, key)
		}
		j.refuseLocked(&r, nil)
		return
	}
	e := j.entries[key]
	if kind == kindDelete {
		if e == nil || e.tomb {
			return
		}
		if e.pos > 0 && !e.logged { // never reached the disk, and now never will
			j.pend.finish(j.pend.at(e.pos - 1))
			delete(j.entries, key)
			return
		}
	}
	if e == nil {
		e = &entry{}
		j.entries[key] = e
	}
	p, pos, c := j.pend.push()
	p.ids = uint32(len(c.ids))
	p.kind, p.class, p.key, p.data, p.w, p.token = kind, class, key, value, w, token
	e.pos, e.tomb = pos+1, kind == kindDelete
	j.pendedLocked(p, now)
}

// Get returns the newest value of key, committed or not. It may read the disk.
func (j *Journal) Get(key string) (value []byte, ok bool) {
	j.mu.Lock()
	e := j.entries[key]
	switch {
	case e == nil || e.tomb:
		j.mu.Unlock()
		return nil, false
	case j.wr == nil:
		defer j.mu.Unlock()
		return e.value, true
	case e.pos > 0:
		defer j.mu.Unlock()
		return j.pend.at(e.pos - 1).data, true
	}
	loc, second := e.loc, e.copy
	j.pinLocked([]want{{loc: loc}}, 1)
	if second != 0 {
		j.pinLocked([]want{{loc: second}}, 1)
	}
	j.mu.Unlock()
	value, ok = j.readEntry(loc, key)
	if second != 0 && !ok {
		value, ok = j.readEntry(second, key)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pinLocked([]want{{loc: loc}}, -1)
	if second != 0 {
		j.pinLocked([]want{{loc: second}}, -1)
	}
	return value, ok
}

// readEntry reads a value from the disk; one that is damaged, or cannot be read, is counted.
func (j *Journal) readEntry(loc location, key string) (value []byte, ok bool) {
	j.mu.Lock()
	s := j.slots[loc.slot()]
	j.mu.Unlock()
	body, err := readFrame(s, loc, j.wr.st.salt, len(key))
	if err == nil && frameKind(body[0]) == kindPut {
		var k string
		if k, value, err = parsePutBody(body); err == nil && k == key {
			return value, true
		}
	}
	j.mu.Lock()
	j.stats.Damaged++
	j.mu.Unlock()
	if err != nil && !errors.Is(err, errFrame) {
		j.log.Error("journal entry cannot be read", "entry", key, "err", err)
	} else {
		j.log.Warn(foundDamage, "entry", key)
	}
	return nil, false
}

// Keys lists the keys with the prefix, sorted.
func (j *Journal) Keys(prefix string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	keys := keysWithPrefix(j.entries, prefix)
	live := keys[:0]
	for _, k := range keys {
		if !j.entries[k].tomb {
			live = append(live, k)
		}
	}
	return live
}

// needsWriteLocked reports whether the entry append at pos must be written by a
// commit that reaches to end: not if the same commit has a newer one.
func (j *Journal) needsWriteLocked(p *pend, pos, end uint64) bool {
	e := j.entries[p.key]
	return e != nil && (e.pos == pos+1 || e.pos > end)
}

// replacedAfterLocked reports whether the entry append p was left out because of a
// newer one that is not on disk when everything before end is.
func (j *Journal) replacedAfterLocked(p *pend, end uint64) bool {
	if p.kind == kindRecord {
		return false
	}
	e := j.entries[p.key]
	return e != nil && e.pos > end
}

// entryOnDiskLocked notes that the append at pos is on disk.
func (j *Journal) entryOnDiskLocked(p *pend, pos uint64) {
	s := j.slots[p.slot]
	e := j.entries[p.key]
	if p.kind == kindPut {
		s.puts = true
	}
	if e == nil || e.pos == 0 {
		return
	}
	if e.loc != 0 {
		j.deadLocked(e.loc)
	}
	e.loc, e.copy = onDisk(p.slot, p.off, len(p.data)), 0
	if e.pos != pos+1 { // a newer one is pending: until the disk has that, this is what it keeps
		j.liveLocked(e.loc)
		return
	}
	e.pos = 0
	if e.tomb || j.twice(p.key) {
		j.again = append(j.again, second{key: p.key, data: p.data, loc: e.loc, tomb: e.tomb, slot: p.slot, off: p.off})
		if !e.young { // however often it is written
			e.young = true
			j.young = append(j.young, p.key)
		}
	}
	if e.tomb && !j.tombNeededLocked(s) {
		delete(j.entries, p.key)
		return
	}
	j.liveLocked(e.loc)
}

// tombNeededLocked reports whether a removal in s must be kept: as long as an older
// segment may hold a value of the key.
func (j *Journal) tombNeededLocked(s *slot) bool {
	for _, o := range j.slots {
		if o != nil && o.used && o.puts && o.segno < s.segno {
			return true
		}
	}
	return false
}

// dropTombsLocked forgets the removals that a freed segment was the reason for.
func (j *Journal) dropTombsLocked() {
	oldest := ^uint64(0)
	for _, o := range j.slots {
		if o != nil && o.used && o.puts {
			oldest = min(oldest, o.segno)
		}
	}
	for key, e := range j.entries {
		if e.tomb && e.pos == 0 && j.slots[e.loc.slot()].segno <= oldest {
			j.deadLocked(e.loc)
			delete(j.entries, key)
		}
	}
}
