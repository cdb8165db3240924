package history

import (
	"sync/atomic"

	"sensorgate/internal/disk"
)

// writtenFS counts what is written to the files: the wear of the card, before the file
// system adds its own.
type writtenFS struct {
	disk.FS
	bytes *atomic.Uint64
}

// OpenFile implements disk.FS.
func (w writtenFS) OpenFile(name string, flag int) (disk.File, error) {
	f, err := w.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return writtenFile{f, w.bytes}, nil
}

type writtenFile struct {
	disk.File
	bytes *atomic.Uint64
}

// WriteAt implements disk.File.
func (w writtenFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := w.File.WriteAt(p, off)
	w.bytes.Add(uint64(n))
	return n, err
}
