package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sensorgate/internal/disk"
)

// tier numbers the resolutions, the finest first.
type tier uint8

const (
	raw tier = iota
	minutes
	quarters
	tiers
)

func (t tier) String() string { return [...]string{"raw", "minutes", "quarters"}[t] }

// width of a slot in milliseconds; 0 for raw.
func (t tier) width() int64 { return [...]int64{0, 60_000, 900_000}[t] }

// A segment is a file that is written with zeroes once and then used again and again: a
// file that does not grow costs no commit of the file system's own journal. Its first
// sector is the header:
//
//	 0  8  "sghistry"
//	 8  4  format: 1
//	12  4  tier; 255: empty
//	16  8  generation: grows with every use of any segment
//	24  4  CRC-32C of the 24 bytes before
const (
	segmentMagic  = "sghistry"
	format        = 1
	emptySegment  = 255
	segmentHeader = 28
)

type segment struct {
	name       string // path
	file       disk.File
	size       int64
	tier       tier
	generation uint64
	end        int64 // where the next frame goes
	frames     []*frame
}

func encodeSegmentHeader(t uint32, generation uint64) []byte {
	b := make([]byte, sector)
	le := binary.LittleEndian
	copy(b, segmentMagic)
	le.PutUint32(b[8:], format)
	le.PutUint32(b[12:], t)
	le.PutUint64(b[16:], generation)
	le.PutUint32(b[24:], headerCRC(b[:24], 0))
	return b
}

// errNewer is a store of a later format: it is left alone.
var errNewer = errors.New("the history was written by a newer version of sensorgate")

// openSegment reads the header and the headers of the frames. A segment without a valid
// header is empty.
func openSegment(fs disk.FS, name string) (*segment, error) {
	f, err := fs.OpenFile(name, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	s := &segment{name: name, file: f, tier: emptySegment, end: sector}
	if s.size, err = f.Size(); err != nil {
		return nil, errors.Join(fmt.Errorf("size of %s: %w", name, err), f.Close())
	}
	b := make([]byte, sector)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	le := binary.LittleEndian
	if string(b[:8]) != segmentMagic || le.Uint32(b[24:]) != headerCRC(b[:24], 0) {
		return s, nil
	}
	if v := le.Uint32(b[8:]); v > format {
		return nil, errors.Join(fmt.Errorf("%s has format %d, this version reads up to %d: %w", name, v, format, errNewer), f.Close())
	}
	s.generation = le.Uint64(b[16:])
	if t := le.Uint32(b[12:]); t < uint32(tiers) {
		s.tier = tier(t)
		err = s.scan()
	}
	return s, err
}

// scan finds the frames by their headers. Behind one that is damaged the next is looked
// for, sector by sector: what follows it is not lost.
func (s *segment) scan() error {
	b := make([]byte, frameHeader)
	for off := int64(sector); off+frameHeader <= s.size; off = s.end {
		if _, err := s.file.ReadAt(b, off); err != nil {
			return fmt.Errorf("read %s: %w", s.name, err)
		}
		f := parseHeader(b, s.generation, s.size-off)
		if f == nil {
			var err error
			if f, off, err = s.nextFrame(off + sector); f == nil {
				return err
			}
		}
		f.seg, f.off = s, off
		s.frames = append(s.frames, f)
		s.end = off + padded(int64(f.size))
	}
	return nil
}

// nextFrame looks for a frame from off on; nil: there is none.
func (s *segment) nextFrame(off int64) (*frame, int64, error) {
	for b := make([]byte, 64<<10); off < s.size; off += int64(len(b)) {
		n, err := s.file.ReadAt(b[:min(int64(len(b)), s.size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("read %s: %w", s.name, err)
		}
		for at := 0; at+frameHeader <= n; at += sector {
			if f := parseHeader(b[at:at+frameHeader], s.generation, s.size-off-int64(at)); f != nil {
				return f, off + int64(at), nil
			}
		}
	}
	return nil, 0, nil
}

func padded(n int64) int64 { return (n + sector - 1) &^ (sector - 1) }

// begin makes the segment the newest of its tier. What was in it is gone.
func (s *segment) begin(t tier, generation uint64) error {
	s.frames, s.end = nil, sector
	s.tier = emptySegment
	if _, err := s.file.WriteAt(encodeSegmentHeader(uint32(t), generation), 0); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	s.tier, s.generation = t, generation
	return nil
}

// put writes a frame at off, without a sync.
func (s *segment) put(f *frame, body []byte, off int64) error {
	f.seg, f.off = s, off
	if _, err := s.file.WriteAt(append(f.header(s.generation), body...), off); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	return nil
}

// sync makes what was put durable.
func (s *segment) sync() error {
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	return nil
}

// last is the time of the newest point in it.
func (s *segment) last() int64 {
	t := int64(0)
	for _, f := range s.frames {
		t = max(t, f.to)
	}
	return t
}

// createSegment makes a file of zeroes.
func createSegment(fs disk.FS, dir string, no int, size int64) (*segment, error) {
	name := segmentPath(dir, no)
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	zero := make([]byte, 64<<10)
	for off := int64(0); off < size && err == nil; off += int64(len(zero)) {
		_, err = f.WriteAt(zero[:min(int64(len(zero)), size-off)], off)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", name, err), f.Close(), fs.Remove(name))
	}
	return &segment{name: name, file: f, size: size, tier: emptySegment, end: sector}, nil
}

func segmentPath(dir string, no int) string {
	return filepath.Join(dir, fmt.Sprintf("%05d.hist", no))
}

// segmentNumbers returns the numbers of the segments in dir, in order.
func segmentNumbers(fs disk.FS, dir string) (nos []int, err error) {
	names, err := fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	for _, n := range names {
		if base, ok := strings.CutSuffix(n, ".hist"); ok {
			if no, err := strconv.Atoi(base); err == nil {
				nos = append(nos, no)
			}
		}
	}
	slices.Sort(nos)
	return nos, nil
}
