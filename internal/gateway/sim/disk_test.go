package sim

import (
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

// simDisk is the crash model's disk with a lock, for a whole gateway, and with syncs that take their time. The power
// that goes off at one of its operations is the power of the machine.
type simDisk struct {
	mu       sync.Mutex
	d        *crashdisk.Disk
	slow     time.Duration // how long a sync takes
	powerOff func()        // called once, when the power goes off at an operation
	noticed  bool

	began, ended time.Time // of syncs one right after the other, which are one commit, or several without a pause
}

// busy is for how long the disk has been syncing without a pause. A commit that rolls over many small segments takes
// as many syncs.
func (s *simDisk) busy() time.Duration {
	if now := time.Now(); now.Equal(s.ended) {
		return now.Sub(s.began)
	}
	return 0
}

func newDisk(rnd *rand.Rand) *simDisk { return &simDisk{d: crashdisk.New(rnd)} }

// do runs one operation under the lock, and switches the rest of the machine off with the disk.
func (s *simDisk) do(op func()) {
	s.mu.Lock()
	op()
	off := s.d.Off && !s.noticed
	s.noticed = s.noticed || off
	hook := s.powerOff
	s.mu.Unlock()
	if off && hook != nil {
		hook()
	}
}

// cutAfter lets n more operations pass, then the power goes off.
func (s *simDisk) cutAfter(n int) { s.do(func() { s.d.Ops = n }) }

func (s *simDisk) isOff() (off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.d.Off
}

// on is the next start. After a kill the operating system still has what was written; after a power cut only what was
// synced is sure.
func (s *simDisk) on(kill bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kill {
		s.d.Off, s.d.Ops, s.d.Locked = false, -1, false
	} else {
		s.d.Cut()
	}
	s.noticed = false
}

func (s *simDisk) set(f func(*simDisk)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *simDisk) MkdirAll(dir string) (err error) {
	s.do(func() { err = s.d.MkdirAll(dir) })
	return err
}

func (s *simDisk) ReadDir(dir string) (names []string, err error) {
	s.do(func() { names, err = s.d.ReadDir(dir) })
	return names, err
}

func (s *simDisk) OpenFile(name string, flag int) (f disk.File, err error) {
	s.do(func() { f, err = s.d.OpenFile(name, flag) })
	if err != nil {
		return nil, err
	}
	return &simFile{s, f}, nil
}

func (s *simDisk) Rename(from, to string) (err error) {
	s.do(func() { err = s.d.Rename(from, to) })
	return err
}

func (s *simDisk) Remove(name string) (err error) {
	s.do(func() { err = s.d.Remove(name) })
	return err
}

func (s *simDisk) SyncDir(dir string) (err error) {
	s.do(func() { err = s.d.SyncDir(dir) })
	return err
}

func (s *simDisk) Lock(name string) (c io.Closer, err error) {
	var held io.Closer
	s.do(func() { held, err = s.d.Lock(name) })
	if err != nil {
		return nil, err
	}
	return closer(func() { s.do(func() { _ = held.Close() }) }), nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

func (s *simDisk) Space(dir string) (free, total int64, err error) {
	s.do(func() { free, total, err = s.d.Space(dir) })
	return free, total, err
}

type simFile struct {
	s *simDisk
	f disk.File
}

func (f *simFile) Close() error { return nil }

func (f *simFile) Size() (n int64, err error) {
	f.s.do(func() { n, err = f.f.Size() })
	return n, err
}

func (f *simFile) ReadAt(b []byte, off int64) (n int, err error) {
	f.s.do(func() { n, err = f.f.ReadAt(b, off) })
	return n, err
}

func (f *simFile) WriteAt(b []byte, off int64) (n int, err error) {
	f.s.do(func() { n, err = f.f.WriteAt(b, off) })
	return n, err
}

func (f *simFile) Sync() (err error) {
	f.s.mu.Lock()
	slow := f.s.slow
	if now := time.Now(); !now.Equal(f.s.ended) {
		f.s.began = now
	}
	f.s.mu.Unlock()
	if slow > 0 {
		time.Sleep(slow)
	}
	f.s.do(func() {
		err = f.f.Sync()
		f.s.ended = time.Now()
	})
	return err
}
