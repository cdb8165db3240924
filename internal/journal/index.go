package journal

// location says where a record or entry is: 14 bits of slot, 22 bits of offset
// in units of 8 bytes, 24 bits of data length. A pending one, not yet on disk, has
// the slot slotPending and its position in the pending ring in the other bits.
// Eight bytes for each waiting record are what keeps a million of them small.
type location uint64

const (
	slotPending = 1<<14 - 1
	maxSlots    = slotPending - 1
	maxSegment  = 1 << 25 // 22 bits of 8 bytes
)

func onDisk(slot int, off int64, dataLen int) location {
	return location(slot)<<50 | location(off/frameAlign)<<28 | location(dataLen)<<4
}

func atPending(pos uint64) location { return location(slotPending)<<50 | location(pos) }

func (l location) slot() int       { return int(l >> 50) }
func (l location) offset() int64   { return int64(l>>28&(1<<22-1)) * frameAlign }
func (l location) dataLen() int    { return int(l >> 4 & (1<<24 - 1)) }
func (l location) pending() bool   { return l.slot() == slotPending }
func (l location) pendPos() uint64 { return uint64(l & (1<<50 - 1)) }

// index finds a record by its Seq and counts the queues that wait for it. Seqs
// come in dense runs, hence pages.
type index struct {
	pages  map[uint64]*indexPage
	lastNo uint64 // of the page used last
	last   *indexPage
	spare  *indexPage // empty: a queue that is drained as it fills must not allocate
}

const pageLen = 1024

// The arrays are apart so that each fills an allocation class exactly.
type indexPage struct {
	loc  *[pageLen]location
	refs *[pageLen]uint32
	n    int // records with refs
}

func (x *index) page(s Seq) *indexPage {
	no := uint64(s) / pageLen
	if x.last != nil && x.lastNo == no {
		return x.last
	}
	p := x.pages[no]
	if p != nil {
		x.last, x.lastNo = p, no
	}
	return p
}

// refs counts the queues that wait for a record: in the low bits those that want all of it, in
// the high byte those of Limits.Brief.
const (
	briefRef = 1 << 24
	fullRefs = briefRef - 1
)

// briefSize is about what Limits.Brief leaves of a record, in bytes.
const briefSize = 64

// wantedOf returns how many bytes a record at l keeps from being used again.
func wantedOf(l location, refs uint32) int64 {
	switch {
	case refs == 0:
		return 0
	case refs&fullRefs == 0:
		return min(int64(l.dataLen()), briefSize) + frameHeader
	}
	return int64(l.dataLen()) + frameHeader
}

// set stores a record for which refs queues wait.
func (x *index) set(s Seq, l location, refs uint32) {
	p := x.page(s)
	if p == nil {
		if p, x.spare = x.spare, nil; p == nil {
			p = &indexPage{loc: new([pageLen]location), refs: new([pageLen]uint32)}
		}
		no := uint64(s) / pageLen
		x.pages[no] = p
		x.last, x.lastNo = p, no
	}
	i := s % pageLen
	if p.refs[i] == 0 {
		p.n++
	}
	p.loc[i], p.refs[i] = l, refs
}

// move changes where a record is, if somebody still waits for it.
func (x *index) move(s Seq, l location) bool {
	p := x.page(s)
	if p == nil || p.refs[s%pageLen] == 0 {
		return false
	}
	p.loc[s%pageLen] = l
	return true
}

func (x *index) get(s Seq) (l location, refs uint32) {
	p := x.page(s)
	if p == nil {
		return 0, 0
	}
	return p.loc[s%pageLen], p.refs[s%pageLen]
}

// release takes a reference off, 1 or briefRef, and returns the location and what is left.
func (x *index) release(s Seq, ref uint32) (l location, left uint32) {
	p := x.page(s)
	if p == nil || p.refs[s%pageLen] == 0 {
		return 0, 0
	}
	i := s % pageLen
	p.refs[i] -= ref
	if p.refs[i] == 0 {
		p.n--
		if p.n == 0 {
			no := uint64(s) / pageLen
			delete(x.pages, no)
			x.last, x.spare = nil, p
		}
	}
	return p.loc[i], p.refs[i]
}
