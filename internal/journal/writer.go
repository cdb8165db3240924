package journal

import "encoding/binary"

// writer puts frames at the end of the log. Only the committing goroutine uses it.
type writer struct {
	st      *store
	slot    *slot
	off     int64  // in the slot, of the first byte of buf
	buf     []byte // frames not yet written
	lsn     uint64 // of the next frame
	durable uint64 // highest lsn on disk
	epoch   uint32
	unsync  bool // written since the last sync
	broken  bool // a write or sync of the segment failed: nothing more goes there

	syncedOff int64 // what is durable of the slot
}

// sealSize is kept free at the end of a segment for its last frame.
const sealSize = 48

// recordSize is an upper bound of a record's frame.
func recordSize(ids, data int) int {
	return frameSize(1 + binary.MaxVarintLen64 + 8 + 5 + 5*ids + data)
}

// fits reports whether a frame of n bytes has room in the segment.
func (w *writer) fits(n int) bool {
	return w.tail()+int64(n)+sealSize+stateRoom(w.slot.size) <= w.slot.size
}

// fitsState is fits for what must still find room when records do not any more.
func (w *writer) fitsState(n int) bool {
	return w.tail()+int64(n)+sealSize <= w.slot.size
}

// stateRoom is kept free at the end of a segment for positions and counters: they must be
// on disk before a segment in which nothing is wanted any more is used again.
func stateRoom(size int64) int64 { return min(4096, size/8) }

// tail is the offset in the slot of the next frame.
func (w *writer) tail() int64 { return w.off + int64(len(w.buf)) }

// padTo leaves the bytes up to the offset unused.
func (w *writer) padTo(off int64) {
	if n := off - w.tail(); n > 0 {
		w.buf = append(w.buf, zeroes[:n]...)
	}
}

// start begins a frame; the caller appends the body to w.buf and calls end.
func (w *writer) start() int {
	at := len(w.buf)
	var header [frameHeader]byte
	w.buf = append(w.buf, header[:]...)
	return at
}

// end finishes the frame that start began and returns its offset in the slot.
func (w *writer) end(at int) int64 {
	body := len(w.buf) - at - frameHeader
	for len(w.buf)%frameAlign != 0 {
		w.buf = append(w.buf, 0)
	}
	f := frameInfo{lsn: w.lsn, durable: w.durable, epoch: w.epoch}
	sealFrame(w.buf[at:], body, f, w.st.salt)
	w.lsn++
	return w.off + int64(at)
}

// flush hands the frames to the operating system.
func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	w.unsync = true
	if err := w.st.write(w.slot, w.buf, w.off); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// sync puts everything on disk.
func (w *writer) sync() error {
	if err := w.flush(); err != nil {
		return err
	}
	if !w.unsync {
		return nil
	}
	if err := w.st.sync(w.slot); err != nil {
		return err
	}
	w.unsync = false
	w.durable, w.syncedOff = w.lsn-1, w.off
	return nil
}

// rewind forgets everything that is not durable. What of it reached the file stays
// there, hence the new epoch.
func (w *writer) rewind() {
	w.off, w.lsn = w.syncedOff, w.durable+1
	w.buf = w.buf[:0]
	w.epoch++
	w.unsync = false
}

// enter makes s the segment that is written to.
func (w *writer) enter(s *slot) {
	w.slot, w.off, w.syncedOff, w.broken = s, headerBlock, headerBlock, false
	w.buf = w.buf[:0]
}
