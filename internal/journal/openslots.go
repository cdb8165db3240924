package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

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
	if _, err := s.f.ReadAt(b, 0); errors.Is(err, syscall.EIO) {
		return false, nil // sortLost finds out what can be read
	} else if err != nil && err != io.EOF {
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
	if h.format < 1 || h.format > formatNumber {
		return false, fmt.Errorf("%w: %s has format %d, this program knows %d (written by a newer version?)", ErrFormat, slotName(s.no), h.format, formatNumber)
	}
	if st.salt != 0 && h.salt != st.salt {
		return false, fmt.Errorf("%w: %s belongs to another store (files of two stores in one directory?)", ErrFormat, slotName(s.no))
	}
	st.salt = h.salt
	st.segno = max(st.segno, h.segno)
	r.sawEpoch(h.epoch)
	r.j.wr.lsn = max(r.j.wr.lsn, h.firstLSN)
	s.segno, s.firstLSN = h.segno, h.firstLSN
	if s.used = h.state == slotUsed; s.used {
		r.used = append(r.used, &segment{slot: s, epoch: h.epoch, format: h.format})
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
	if err := r.readSlot(s, b); err != nil {
		return fmt.Errorf("read %s: %w", slotName(s.no), err)
	}
	empty := unfinished(b)
	if s.size == st.segSize && empty {
		return nil // a power cut between the making of the file and its first use, or a spare one
	}
	if st.salt != 0 && len(b) > headerBlock {
		if f, _, ok := parseFrame(b[headerBlock:], st.salt); ok {
			s.used, s.firstLSN = true, f.lsn
			r.used = append(r.used, &segment{slot: s, epoch: f.epoch, format: formatNumber})
			r.loss.header(s)
			return nil
		}
	}
	r.j.slots[s.no] = nil
	s.f.Close()
	name := filepath.Join(st.dir, slotName(s.no))
	if s.size < st.segSize && empty {
		return st.fs.Remove(name) // was never finished
	}
	r.j.log.Warn("not a journal segment, put aside", "file", name+".damaged")
	r.loss.frames, r.loss.atLeast = r.loss.frames+1, true
	return st.fs.Rename(name, name+".damaged")
}

// unfinished reports whether a file has nothing but zeroes behind what may be the beginning
// of our header: it was being made, or made and not used.
func unfinished(b []byte) bool {
	head := bytes.TrimRight(b[:min(len(headerMagic), len(b))], "\x00")
	rest := b[min(headerBlock, len(b)):]
	if len(head) == 0 && len(b) < headerBlock { // not even the block of a header
		rest = b
	}
	return bytes.HasPrefix(headerMagic[:], head) && !slices.ContainsFunc(rest, func(c byte) bool { return c != 0 })
}
