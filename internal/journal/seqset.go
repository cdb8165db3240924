package journal

import (
	"math/bits"
	"slices"
)

// seqSet is a set of Seqs in order: the records that wait in one queue. A bit for
// each, in pages, because a queue of a million records must cost next to nothing.
type seqSet struct {
	pages []*setPage // by number
	n     int
	spare *setPage // empty, for the next
}

const setPageLen = 1024

type setPage struct {
	no   uint64
	n    int
	bits [setPageLen / 64]uint64
}

// find returns the place of the page with number no, or where it would be.
func (s *seqSet) find(no uint64) (int, bool) {
	// Appends hit the last page, in-order acknowledgements the first.
	if k := len(s.pages); k > 0 {
		if s.pages[k-1].no == no {
			return k - 1, true
		}
		if s.pages[k-1].no < no {
			return k, false
		}
		if s.pages[0].no == no {
			return 0, true
		}
	}
	return slices.BinarySearchFunc(s.pages, no, func(p *setPage, no uint64) int {
		switch {
		case p.no < no:
			return -1
		case p.no > no:
			return 1
		}
		return 0
	})
}

func (s *seqSet) has(q Seq) bool {
	i, ok := s.find(uint64(q) / setPageLen)
	return ok && s.pages[i].bits[q%setPageLen/64]&(1<<(q%64)) != 0
}

// add puts q in and reports whether it was new.
func (s *seqSet) add(q Seq) bool {
	no := uint64(q) / setPageLen
	i, ok := s.find(no)
	if !ok {
		p := s.spare
		if s.spare = nil; p == nil {
			p = new(setPage)
		}
		p.no = no
		s.pages = slices.Insert(s.pages, i, p)
	}
	p := s.pages[i]
	w, b := q%setPageLen/64, uint64(1)<<(q%64)
	if p.bits[w]&b != 0 {
		return false
	}
	p.bits[w] |= b
	p.n++
	s.n++
	return true
}

// remove takes q out and reports whether it was there.
func (s *seqSet) remove(q Seq) bool {
	i, ok := s.find(uint64(q) / setPageLen)
	if !ok {
		return false
	}
	p := s.pages[i]
	w, b := q%setPageLen/64, uint64(1)<<(q%64)
	if p.bits[w]&b == 0 {
		return false
	}
	p.bits[w] &^= b
	p.n--
	s.n--
	if p.n == 0 {
		s.dropPage(i)
	}
	return true
}

func (s *seqSet) dropPage(i int) {
	s.spare = s.pages[i]
	if i == 0 && len(s.pages) > 1 { // the usual one: no move of all the others
		s.pages[0] = nil
		s.pages = s.pages[1:]
		return
	}
	s.pages = slices.Delete(s.pages, i, i+1)
}

// next returns the smallest member that is at least q.
func (s *seqSet) next(q Seq) (Seq, bool) {
	no := uint64(q) / setPageLen
	i, ok := s.find(no)
	if ok {
		if v, ok := s.pages[i].next(int(q % setPageLen)); ok {
			return v, true
		}
		i++
	}
	if i < len(s.pages) {
		return s.pages[i].next(0)
	}
	return 0, false
}

// countFrom returns how many members are at least q.
func (s *seqSet) countFrom(q Seq) (n int) {
	no := uint64(q) / setPageLen
	for i := len(s.pages) - 1; i >= 0 && s.pages[i].no >= no; i-- {
		p := s.pages[i]
		if p.no > no {
			n += p.n
			continue
		}
		w := q % setPageLen / 64
		n += bits.OnesCount64(p.bits[w] &^ (1<<(q%64) - 1))
		for w++; w < setPageLen/64; w++ {
			n += bits.OnesCount64(p.bits[w])
		}
	}
	return n
}

func (s *seqSet) first() (Seq, bool) {
	if len(s.pages) == 0 {
		return 0, false
	}
	return s.pages[0].next(0)
}

func (p *setPage) next(from int) (Seq, bool) {
	w := from / 64
	word := p.bits[w] &^ (1<<(from%64) - 1)
	for {
		if word != 0 {
			return Seq(p.no*setPageLen + uint64(w*64+bits.TrailingZeros64(word))), true
		}
		if w++; w == len(p.bits) {
			return 0, false
		}
		word = p.bits[w]
	}
}
