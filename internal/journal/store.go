package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"

	"sensorgate/internal/disk"
)

// A slot is one file of the store. It is written with zeroes once and then used
// for one segment of the log after the other, in place and under its own name: a
// file that does not grow costs no journal commit of the file system, and a name
// that does not change needs no directory sync.
type slot struct {
	no   int
	f    disk.File
	size int64

	// guarded by Journal.mu once the store is open
	used      bool
	segno     uint64 // order of the segments; grows with every header that is written
	firstLSN  uint64
	live      int // records somebody waits for, newest values, tombstones that are needed
	liveBytes int64
	puts      bool // has held entries: tombstones in later segments are needed
	readers   int  // reads under way: must not be reused
	maxSeq    Seq  // of the records in it
	settled   bool // dead, and the positions that say so are on disk
	bad       bool // a write failed: never used again
	idleLive  int  // live at the last look of the compaction
}

// The first block of a slot holds its header twice, in two sectors.
const (
	headerBlock  = 4096
	headerCopy   = 2048
	headerLen    = 56
	formatNumber = 2 // 1 is read; see docs/journal-format.md
	slotUsed     = 1
	slotFree     = 2
)

var headerMagic = [8]byte{'s', 'g', 'j', 'o', 'u', 'r', 'n', '\n'}

type header struct {
	format   uint32
	state    uint32
	salt     uint32
	epoch    uint32
	segno    uint64
	firstLSN uint64
}

func (h header) block() []byte {
	b := make([]byte, headerBlock)
	copy(b, headerMagic[:])
	binary.LittleEndian.PutUint32(b[8:], h.format)
	binary.LittleEndian.PutUint32(b[12:], h.state)
	binary.LittleEndian.PutUint32(b[16:], h.salt)
	binary.LittleEndian.PutUint32(b[20:], h.epoch)
	binary.LittleEndian.PutUint64(b[24:], h.segno)
	binary.LittleEndian.PutUint64(b[32:], h.firstLSN)
	binary.LittleEndian.PutUint32(b[headerLen-4:], crc32.Checksum(b[:headerLen-4], castagnoli))
	copy(b[headerCopy:], b[:headerLen])
	return b
}

// parseHeader returns the newer of the two copies that are intact.
func parseHeader(b []byte) (h header, ok bool) {
	for _, at := range []int{0, headerCopy} {
		if len(b) < at+headerLen {
			break
		}
		c := b[at : at+headerLen]
		if [8]byte(c) != headerMagic || crc32.Checksum(c[:headerLen-4], castagnoli) != binary.LittleEndian.Uint32(c[headerLen-4:]) {
			continue
		}
		n := header{
			format:   binary.LittleEndian.Uint32(c[8:]),
			state:    binary.LittleEndian.Uint32(c[12:]),
			salt:     binary.LittleEndian.Uint32(c[16:]),
			epoch:    binary.LittleEndian.Uint32(c[20:]),
			segno:    binary.LittleEndian.Uint64(c[24:]),
			firstLSN: binary.LittleEndian.Uint64(c[32:]),
		}
		if !ok || n.segno > h.segno {
			h, ok = n, true
		}
	}
	return h, ok
}

// store is the files. Only the committing goroutine (and Open) writes.
type store struct {
	fs      disk.FS
	dir     string
	segSize int64
	max     int64 // bytes of all slots
	floor   int64
	salt    uint32
	segno   uint64 // of the newest header
	written uint64 // bytes, since Open
	fresh   uint64 // of them for new slots
	syncs   uint64
}

func slotName(no int) string { return fmt.Sprintf("%05d.seg", no) }

// writeHeader makes a slot a segment of the log, or marks it free, durably.
func (st *store) writeHeader(s *slot, state uint32, firstLSN uint64, epoch uint32) error {
	st.segno++
	h := header{format: formatNumber, state: state, salt: st.salt, epoch: epoch, segno: st.segno, firstLSN: firstLSN}
	if err := st.write(s, h.block(), 0); err != nil {
		return err
	}
	if err := st.sync(s); err != nil {
		return err
	}
	return nil
}

// count puts what was written so far into the report.
func (st *store) count(s *Stats) {
	s.BytesWritten, s.BytesPrepared, s.Syncs = st.written, st.fresh, st.syncs
}

func (st *store) write(s *slot, b []byte, off int64) error {
	n, err := s.f.WriteAt(b, off)
	st.written += uint64(n)
	if err != nil {
		return fmt.Errorf("write %s: %w", slotName(s.no), err)
	}
	return nil
}

func (st *store) sync(s *slot) error {
	st.syncs++
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", slotName(s.no), err)
	}
	return nil
}

// zeroes is what new slots are made of; never written to.
var zeroes [64 << 10]byte

// zero overwrites part of a slot.
func (st *store) zero(s *slot, from, to int64) error {
	for from < to {
		n := min(to-from, int64(len(zeroes)))
		if err := st.write(s, zeroes[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// errNoSpace says why no slot can be made; the journal is then full, not failed.
var errNoSpace = errors.New("no room")

// allows returns errNoSpace if a slot of that size goes beyond a bound. have is the size of
// the slots that there are.
func (st *store) allows(have, size int64) error {
	if have+size > st.max {
		return fmt.Errorf("%w: %d MiB of the configured %d MiB are in use", errNoSpace, have>>20, st.max>>20)
	}
	free, _, err := st.fs.Space(st.dir)
	if err != nil {
		return err
	}
	if free-size < st.floor {
		return fmt.Errorf("%w: %d MiB free on the file system of %s, %d MiB are left alone", errNoSpace, free>>20, st.dir, st.floor>>20)
	}
	return nil
}

// create makes slot no with its blocks allocated. lsn and epoch are those of the next frame.
// What a failure leaves behind is removed.
func (st *store) create(no int, size int64, lsn uint64, epoch uint32) (*slot, error) {
	name := filepath.Join(st.dir, slotName(no))
	f, err := st.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, spaceError(err)
	}
	s := &slot{no: no, f: f, size: size}
	before := st.written
	err = st.zero(s, headerBlock, size)
	st.fresh += st.written - before
	if err == nil { // with the store's salt: a slot that loses its first page can be read with it
		err = st.writeHeader(s, slotFree, lsn, epoch)
	}
	if err == nil {
		err = st.fs.SyncDir(st.dir)
	}
	if err != nil {
		f.Close()
		st.fs.Remove(name)
		return nil, spaceError(err)
	}
	return s, nil
}

// spaceError makes a full file system, or a quota, an errNoSpace.
func spaceError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", errNoSpace, err)
	}
	return err
}
