// Package disk is the file system as the journal and the history see it: few operations,
// each with its meaning for what survives a power cut. OS is the real one; package
// crashdisk remembers what was synced and loses the rest.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// FS is what a store needs of a file system. It is an interface so that the crash
// model can remember what was synced and lose the rest.
type FS interface {
	MkdirAll(dir string) error
	ReadDir(dir string) ([]string, error) // names of plain files, sorted
	OpenFile(name string, flag int) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(dir string) error // makes creations, renames and removals durable
	Lock(name string) (io.Closer, error)
	Space(dir string) (free, total int64, err error)
}

// File is an open file. It is read and written at places, so that it needs no position.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error // the data, and the size if it grew
	Size() (int64, error)
}

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("the store is in use")

// OS is the real file system.
type OS struct{}

func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (OS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (OS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return OSFile{f}, nil
}

func (OS) Rename(from, to string) error { return os.Rename(from, to) }
func (OS) Remove(name string) error     { return os.Remove(name) }

func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock keeps a second process out. The lock goes with the process, however it ends.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: another process has %s open (a second sensorgate on the same data directory?)", ErrLocked, filepath.Dir(name))
	}
	return nil, fmt.Errorf("lock %s: %w", name, err)
}

// IsLocked looks whether somebody has the lock, without taking it.
func IsLocked(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK)
}

func (OS) Space(dir string) (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

// OSFile is a File of the real file system.
type OSFile struct{ *os.File }

// Sync leaves the time stamps out: a file that does not grow then costs no
// journal commit of the file system.
func (f OSFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}

func (f OSFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
