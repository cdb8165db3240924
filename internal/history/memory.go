package history

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"sensorgate/internal/disk"
)

// memoryFS is the file system of a store without a directory. Options.Memory bounds it
// by the number of segments.
type memoryFS struct {
	mu    sync.Mutex
	files map[string]*memoryFile
}

func newMemoryFS() *memoryFS { return &memoryFS{files: map[string]*memoryFile{}} }

func (m *memoryFS) MkdirAll(string) error { return nil }

func (m *memoryFS) ReadDir(dir string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.files {
		names = append(names, filepath.Base(name))
	}
	slices.Sort(names)
	return names, nil
}

func (m *memoryFS) OpenFile(name string, flag int) (disk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil && flag&os.O_CREATE == 0 {
		return nil, os.ErrNotExist
	}
	if f == nil {
		f = &memoryFile{}
		m.files[name] = f
	}
	return f, nil
}

func (m *memoryFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memoryFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memoryFS) SyncDir(string) error               { return nil }
func (m *memoryFS) Lock(string) (io.Closer, error)     { return &memoryFile{}, nil }
func (m *memoryFS) Space(string) (int64, int64, error) { return 1 << 40, 1 << 40, nil }

type memoryFile struct{ b []byte }

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(f.b) {
		f.b = append(f.b, make([]byte, need-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memoryFile) Sync() error          { return nil }
func (f *memoryFile) Close() error         { return nil }
func (f *memoryFile) Size() (int64, error) { return int64(len(f.b)), nil }
