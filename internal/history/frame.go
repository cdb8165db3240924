package history

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
)

// chunk is what a frame holds of one series.
type chunk struct {
	series   string
	kind     Kind
	from, to int64 // times of the first and the last point, ms
	data     []byte
}

// A frame begins on a sector, and its header lies within it: the header can be written
// again in place when the clock turns out to have been wrong.
//
//	 0  4  "hist"
//	 4  4  bytes of the frame, header included, without the padding to a sector
//	 8  4  bytes of the directory, which follows the header
//	12  4  CRC-32C of the directory
//	16  8  number of the frame in its tier, without a hole
//	24  8  all frames of the next finer tier up to this number are contained
//	32  8  time of the first point, ms since 1970
//	40  8  time of the last point
//	48  8  shift: to be added to the times of the chunks
//	56  4  run in which it was written
//	60  2  1: the clock was set when it was written, or the shift has corrected it
//	62  2  chunks
//	64  2  part: frames that belong together have one number and parts from 0
//	66  2  parts
//	68  4  zero
//	72  8  number of the frame before. Numbers between the two were tried and failed: what
//	       of them came to the disk all the same does not count
//	80  4  CRC-32C of the 80 bytes before, started from the segment's generation
//
// The last part of a number is written when all others are on the disk: without it,
// none of them counts.
const (
	frameMagic  = "hist"
	frameHeader = 84
	sector      = 512
	maxFrame    = 256 << 10 // of chunks; one more than fits goes to the next frame
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frame struct {
	size, dir      uint32
	dirCRC         uint32
	number, covers uint64
	before         uint64 // number of the frame before
	from, to       int64
	shift          int64
	run            uint32
	set            bool
	chunks         uint16
	part, parts    uint16

	seg *segment
	off int64
}

func (f *frame) header(generation uint64) []byte {
	b := make([]byte, frameHeader)
	le := binary.LittleEndian
	copy(b, frameMagic)
	le.PutUint32(b[4:], f.size)
	le.PutUint32(b[8:], f.dir)
	le.PutUint32(b[12:], f.dirCRC)
	le.PutUint64(b[16:], f.number)
	le.PutUint64(b[24:], f.covers)
	le.PutUint64(b[32:], uint64(f.from))
	le.PutUint64(b[40:], uint64(f.to))
	le.PutUint64(b[48:], uint64(f.shift))
	le.PutUint32(b[56:], f.run)
	if f.set {
		b[60] = 1
	}
	le.PutUint16(b[62:], f.chunks)
	le.PutUint16(b[64:], f.part)
	le.PutUint16(b[66:], f.parts)
	le.PutUint64(b[72:], f.before)
	le.PutUint32(b[80:], headerCRC(b[:80], generation))
	return b
}

func headerCRC(b []byte, generation uint64) uint32 {
	var g [8]byte
	binary.LittleEndian.PutUint64(g[:], generation)
	return crc32.Update(crc32.Checksum(g[:], castagnoli), castagnoli, b)
}

// parseHeader returns nil if b is not the header of a frame of this generation that
// fits into room bytes.
func parseHeader(b []byte, generation uint64, room int64) *frame {
	le := binary.LittleEndian
	if len(b) < frameHeader || string(b[:4]) != frameMagic || le.Uint32(b[80:]) != headerCRC(b[:80], generation) {
		return nil
	}
	f := &frame{
		size: le.Uint32(b[4:]), dir: le.Uint32(b[8:]), dirCRC: le.Uint32(b[12:]),
		number: le.Uint64(b[16:]), covers: le.Uint64(b[24:]),
		from: int64(le.Uint64(b[32:])), to: int64(le.Uint64(b[40:])), shift: int64(le.Uint64(b[48:])),
		run: le.Uint32(b[56:]), set: b[60] == 1, chunks: le.Uint16(b[62:]),
		part: le.Uint16(b[64:]), parts: le.Uint16(b[66:]),
		before: le.Uint64(b[72:]),
	}
	if int64(f.size) > room || frameHeader+int64(f.dir) > int64(f.size) {
		return nil
	}
	return f
}

// buildFrames packs chunks, ordered by series, into as many frames as they need. The
// numbers are given when they are written.
//
// The directory has per chunk: u bytes shared with the name before, u bytes of the rest,
// the rest, kind, u length, 4 bytes CRC-32C of the chunk.
func buildFrames(chunks []chunk) (frames []*frame, bodies [][]byte) {
	sort.SliceStable(chunks, func(i, k int) bool { return compareNames(chunks[i].series, chunks[k].series) < 0 })
	for len(chunks) > 0 {
		n, size := 0, 0
		for n < len(chunks) && n < 1<<16-1 && (n == 0 || size+len(chunks[n].data) <= maxFrame) {
			size += len(chunks[n].data) + len(chunks[n].series) + 12
			n++
		}
		f, body := buildFrame(chunks[:n], size)
		f.part = uint16(len(frames))
		frames, bodies = append(frames, f), append(bodies, body)
		chunks = chunks[n:]
	}
	for _, f := range frames {
		f.parts = uint16(len(frames))
	}
	return frames, bodies
}

func buildFrame(chunks []chunk, size int) (*frame, []byte) {
	f := &frame{from: chunks[0].from, to: chunks[0].to, chunks: uint16(len(chunks))}
	body := make([]byte, 0, size)
	last := ""
	for _, c := range chunks {
		f.from, f.to = min(f.from, c.from), max(f.to, c.to)
		shared := sharedPrefix(last, c.series)
		body = binary.AppendUvarint(body, uint64(shared))
		body = binary.AppendUvarint(body, uint64(len(c.series)-shared))
		body = append(body, c.series[shared:]...)
		body = append(body, byte(c.kind))
		body = binary.AppendUvarint(body, uint64(len(c.data)))
		body = binary.LittleEndian.AppendUint32(body, crc32.Checksum(c.data, castagnoli))
		last = c.series
	}
	f.dir, f.dirCRC = uint32(len(body)), crc32.Checksum(body, castagnoli)
	for _, c := range chunks {
		body = append(body, c.data...)
	}
	f.size = uint32(frameHeader + len(body))
	return f, body
}

func compareNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// entry is what the directory of a frame says of a chunk.
type entry struct {
	kind Kind
	off  int64 // in the segment
	len  int
	crc  uint32
}

// directory calls f for each chunk, until f returns false. The name is valid during the
// call only.
func (f *frame) directory(each func(name []byte, e entry) bool) error {
	dir := make([]byte, f.dir)
	if _, err := f.seg.file.ReadAt(dir, f.off+frameHeader); err != nil {
		return fmt.Errorf("read %s: %w", f.seg.name, err)
	}
	if crc32.Checksum(dir, castagnoli) != f.dirCRC {
		return fmt.Errorf("%s at %d: the directory is damaged", f.seg.name, f.off)
	}
	name := make([]byte, 0, 64)
	off, end := f.off+frameHeader+int64(f.dir), f.off+int64(f.size)
	for range f.chunks {
		shared, n := binary.Uvarint(dir)
		rest, m := binary.Uvarint(dir[max(n, 0):])
		if n <= 0 || m <= 0 || shared > uint64(len(name)) || rest > uint64(len(dir)-n-m) {
			return fmt.Errorf("%s at %d: the directory is damaged", f.seg.name, f.off)
		}
		dir = dir[n+m:]
		name = append(name[:shared], dir[:rest]...)
		if dir = dir[rest:]; len(dir) == 0 {
			return fmt.Errorf("%s at %d: the directory is damaged", f.seg.name, f.off)
		}
		e := entry{kind: Kind(dir[0]), off: off}
		size, n := binary.Uvarint(dir[1:])
		if n <= 0 || size > uint64(end-off) || len(dir) < 1+n+4 {
			return fmt.Errorf("%s at %d: the directory is damaged", f.seg.name, f.off)
		}
		e.len, e.crc = int(size), binary.LittleEndian.Uint32(dir[1+n:])
		dir = dir[1+n+4:]
		off += int64(size)
		if !each(name, e) {
			return nil
		}
	}
	return nil
}

// read returns the bytes of a chunk, checked.
func (f *frame) read(e entry) ([]byte, error) {
	b := make([]byte, e.len)
	if _, err := f.seg.file.ReadAt(b, e.off); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.seg.name, err)
	}
	if crc32.Checksum(b, castagnoli) != e.crc {
		return nil, fmt.Errorf("%s at %d: the chunk is damaged", f.seg.name, e.off)
	}
	return b, nil
}

// intact reads the whole frame and checks it: is it there as it was written?
func (f *frame) intact() bool {
	ok := true
	err := f.directory(func(_ []byte, e entry) bool {
		_, err := f.read(e)
		ok = err == nil
		return ok
	})
	return ok && err == nil
}
