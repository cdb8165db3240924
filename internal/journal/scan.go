package journal

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

// tornFrom returns where the end of the newest segment has to be cut: off is behind
// the last frame to keep, and keep counts those. A hole in front of a frame is
// damage if a later frame says that what is missing had been durable; otherwise
// it is a commit that the power cut tore, and all behind it goes.
func tornFrom(frames []found, firstLSN uint64) (keep int, end int64) {
	durable := uint64(0)
	for _, f := range frames {
		durable = max(durable, f.durable)
	}
	next, off := firstLSN, int64(headerBlock)
	for i, f := range frames {
		if f.lsn > next && f.lsn-1 > durable {
			return i, off
		}
		next, off = f.lsn+1, f.off+int64(f.size)
	}
	return len(frames), off
}

// leftovers reports whether something behind off looks like a frame that could be
// taken for a later one, and how far such frames reach.
func leftovers(b []byte, off int64, salt uint32, lsn uint64, epoch uint32) (end int64, any bool) {
	for ; off+frameHeader <= int64(len(b)); off += frameAlign {
		f := peekFrame(b[off:], salt)
		if f.size > 0 && f.lsn >= lsn && f.lsn-lsn < uint64(len(b)) && !earlier(epoch, f.epoch) {
			end, any = max(end, min(off+int64(f.size), int64(len(b)))), true
		}
	}
	return end, any
}
