package journal

import "encoding/binary"

// found is a frame of a segment that is intact.
type found struct {
	frameInfo
	off  int64
	body []byte // of the segment's bytes
}

// findFrames returns the intact frames of a segment in order: its own, not what an
// earlier run of the file or a failed write left there. Frames follow each other
// without a hole in lsn; behind a damaged one the next is looked for.
func findFrames(b []byte, salt uint32, firstLSN uint64, epoch uint32) []found {
	var frames []found
	next, lost := firstLSN, false
	for off := headerBlock; off+frameHeader <= len(b); {
		// No segment has more frames than it has places for one.
		f := peekFrame(b[off:], salt)
		likely := f.size > 0 && !earlier(f.epoch, epoch) && f.lsn >= next && f.lsn-firstLSN <= uint64(len(b)/frameHeader) && (lost || f.lsn == next)
		if likely {
			if f, body, ok := parseFrame(b[off:], salt); ok {
				frames = append(frames, found{f, int64(off), body})
				next, epoch, lost = f.lsn+1, f.epoch, false
				off += f.size
				continue
			}
		}
		lost = true
		off += frameAlign
	}
	return frames
}

// earlier compares epochs. They wrap after four billion starts, so it is the shorter way
// around that counts.
func earlier(a, b uint32) bool { return int32(a-b) < 0 }

// tornFrom returns where the end of the newest segment has to be cut: end is behind
// the last frame to keep, keep counts those that are intact, and next is the lsn
// behind it. A hole in front of a frame is damage if a later frame says that what is
// missing had been durable, or if one wrong bit is all that makes it one; otherwise
// it is a commit that the power cut tore, and all behind it goes.
func tornFrom(b []byte, frames []found, s *segment, salt uint32) (keep int, end int64, next uint64) {
	durable := uint64(0)
	for _, f := range frames {
		durable = max(durable, f.durable)
	}
	t := tail{b: b, off: headerBlock, lsn: s.firstLSN, epoch: s.epoch, salt: salt}
	for i, f := range frames {
		for f.lsn > t.lsn && f.lsn-1 > durable {
			if !t.passFlipped(f.off) {
				return i, t.off, t.lsn
			}
		}
		t.off, t.lsn, t.epoch = f.off+int64(f.size), f.lsn+1, f.epoch
	}
	for t.passFlipped(int64(len(b))) {
	}
	return len(frames), t.off, t.lsn
}

// tail is where tornFrom has got to: off is behind a frame, lsn the next one's.
type tail struct {
	b     []byte
	off   int64
	lsn   uint64
	epoch uint32
	salt  uint32
}

// passFlipped passes the next frame if it begins before limit and one wrong bit is all that it has. The writer leaves at
// most two pages of zeroes between two frames: padding to the next page and copyApart.
func (t *tail) passFlipped(limit int64) bool {
	off := t.off
	limit = min(limit, off+3*copyApart, int64(len(t.b)-frameHeader))
	for off < limit && binary.LittleEndian.Uint64(t.b[off:]) == 0 {
		off += frameAlign
	}
	if off >= limit {
		return false
	}
	f := flippedFrame(t.b[off:], t.salt, t.lsn, t.epoch)
	if f.size == 0 || !f.reached(t.b, int(off), t.salt, t.lsn) {
		return false
	}
	t.off, t.lsn = off+int64(f.size), t.lsn+1
	return true
}

// leftovers reports whether something behind off looks like a frame that could be
// taken for a later one, and how far such frames reach. Of any epoch: what is torn may have a
// greater one than all that is kept, and the next run would not go beyond it.
func leftovers(b []byte, off int64, salt uint32, lsn uint64) (end int64, any bool) {
	for ; off+frameHeader <= int64(len(b)); off += frameAlign {
		f := peekFrame(b[off:], salt)
		if f.size > 0 && f.lsn >= lsn && f.lsn-lsn < uint64(len(b)) {
			end, any = max(end, min(off+int64(f.size), int64(len(b)))), true
		}
	}
	return end, any
}
