package journal

import (
	"errors"
	"io"
	"syscall"

	"sensorgate/internal/disk"
)

// mediumPage is what a file system reads at least: one sector that the medium does not give back costs so much.
const mediumPage = 4096

// readPages reads the beginning of a file. Pages that the medium does not give back (EIO) are zeroes in b, damage like any
// other: a card with one bad sector must not keep the gateway from starting. gone counts them. If there is none that can be
// read, it is the device that fails, and that is an error.
func readPages(f disk.File, b []byte) (gone int, err error) {
	if _, err = f.ReadAt(b, 0); err == nil || err == io.EOF {
		return 0, nil
	}
	if !errors.Is(err, syscall.EIO) {
		return 0, err
	}
	read := 0
	for off := 0; off < len(b); off += mediumPage {
		page := b[off:min(off+mediumPage, len(b))]
		_, perr := f.ReadAt(page, int64(off))
		switch {
		case perr == nil || perr == io.EOF:
			read++
		case errors.Is(perr, syscall.EIO):
			clear(page)
			gone++
		default:
			return 0, perr
		}
	}
	if read == 0 {
		return 0, err
	}
	return gone, nil
}

// readSlot is readPages of a slot that a start reads.
func (r *recovery) readSlot(s *slot, b []byte) error {
	gone, err := readPages(s.f, b)
	if gone > 0 {
		r.j.log.Error("the medium does not give back a part of the journal: replace it soon", "file", slotName(s.no), "pages", gone)
	}
	return err
}
