package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

// roomlessDisk refuses operations for want of space, whatever it says is free: another program was quicker, or a quota counts.
type roomlessDisk struct {
	*crashdisk.Disk
	why   error
	fails func(op string) bool
}

func (d *roomlessDisk) ask(op string) error {
	if d.fails(op) {
		return &os.PathError{Op: op, Path: "d", Err: d.why}
	}
	return nil
}

func (d *roomlessDisk) OpenFile(name string, flag int) (disk.File, error) {
	if flag&os.O_CREATE != 0 {
		if err := d.ask("create"); err != nil {
			return nil, err
		}
	}
	f, err := d.Disk.OpenFile(name, flag)
	return &roomlessFile{f, d, flag&os.O_CREATE != 0}, err
}

func (d *roomlessDisk) SyncDir(dir string) error {
	if err := d.ask("sync dir"); err != nil {
		return err
	}
	return d.Disk.SyncDir(dir)
}

func (d *roomlessDisk) Remove(name string) error {
	if err := d.ask("remove"); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

type roomlessFile struct {
	disk.File
	d    *roomlessDisk
	made bool // by this run
}

func (f *roomlessFile) op(op string) string {
	if f.made {
		return op + " new"
	}
	return op + " old"
}

func (f *roomlessFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.d.ask(f.op("write")); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.File.WriteAt(b, off)
}

func (f *roomlessFile) Sync() error {
	if err := f.d.ask(f.op("sync")); err != nil {
		return err
	}
	f.made = false // its blocks are allocated
	return f.File.Sync()
}

// A file system that has no room for another file, or whose quota is used up, makes the journal full and not failed: what waits
// can be read and acknowledged, nothing that was answered for is lost, and it goes on when there is room.
func TestFileSystemWithoutRoomIsFullAndNotBroken(t *testing.T) {
	for _, why := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		for _, at := range []string{"create", "write new", "sync new", "sync dir"} {
			synctest.Test(t, func(t *testing.T) {
				full := false
				fs := &roomlessDisk{Disk: crashdisk.New(rand.New(rand.NewPCG(1, 36))), why: why, fails: func(op string) bool { return full && op == at }}
				o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 64 * 16 << 10, FreeFloor: -1}
				j := reopen(t, o)
				q := openQueue(t, j, "q", Limits{Full: Refuse})
				w := newWaits()
				sure := 0
				add := func() error {
					j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}, Waiter: w})
					_ = j.commit()
					time.Sleep(2 * time.Second)
					if len(w.errs) == 0 {
						return nil
					}
					err := w.errs[len(w.errs)-1]
					if err == nil {
						sure++
					}
					return err
				}
				for range 10 {
					add()
				}
				full = true
				var err error
				for range 40 {
					if err = add(); err != nil {
						break
					}
				}
				if why == syscall.EIO {
					if !errors.Is(err, ErrFailed) || !errors.Is(err, why) {
						t.Errorf("%v at %q: an append hears %v, want that the journal has failed", why, at, err)
					}
					return
				}
				if s := j.Stats(); !errors.Is(err, ErrFull) || !errors.Is(s.Failed, ErrFull) || !errors.Is(s.Failed, why) {
					t.Fatalf("%v at %q: an append hears %v, the status says %v: want that the journal is full, and why", why, at, err, s.Failed)
				}
				if n := len(readAll(t, q)); n != sure {
					t.Errorf("%v at %q: %d records can be read, %d were answered for", why, at, n, sure)
				}
				full = false
				add()
				if err := add(); err != nil || j.Stats().Failed != nil {
					t.Errorf("%v at %q: there is room again, and an append hears %v, the status says %v", why, at, err, j.Stats().Failed)
				}
				fs.Cut()
				j = reopen(t, o)
				if n := len(readAll(t, openQueue(t, j, "q", Limits{}))); n < sure {
					t.Errorf("%v at %q: %d records are there after a power cut, %d were answered for", why, at, n, sure)
				}
			})
		}
	}
}

// The disk is full from any one operation of a compaction on, also for what is written over, as on file systems that copy. The
// journal goes on when there is room, or says that it has failed and opens again: nothing that was answered for is lost.
func TestNothingIsLostWhenTheDiskStaysFullInACompaction(t *testing.T) {
	for at, done := 0, false; !done; at++ {
		synctest.Test(t, func(t *testing.T) { done = fullFrom(t, at) })
		if done && at < 20 {
			t.Errorf("%d operations are too few for a compaction", at)
		}
	}
}

// fullFrom has a compaction find no room from its operation number at on, and reports whether it has fewer.
func fullFrom(t *testing.T, at int) (done bool) {
	left := 1 << 30
	fs := &roomlessDisk{Disk: crashdisk.New(rand.New(rand.NewPCG(1, 37))), why: syscall.ENOSPC, fails: func(string) bool {
		left--
		return left < 0
	}}
	o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1}
	j := reopen(t, o)
	keep, gone := openQueue(t, j, "keep", Limits{Full: Refuse}), openQueue(t, j, "gone", Limits{Full: Refuse})
	j.Put("key", []byte("value"), Event, nil, 0)
	for i := range 60 {
		to := gone
		if i%10 == 0 {
			to = keep
		}
		j.Append(Record{Data: fmt.Appendf(make([]byte, 800), "%d", i), To: []*Queue{to}})
		commit(t, j)
	}
	for _, it := range readAll(t, gone) {
		gone.Ack(it.Seq)
	}
	sure := 0
	run := func() {
		for range 10 {
			if j.failed != nil {
				return
			}
			j.looked = time.Time{} // for what can be compacted
			j.Append(Record{Data: make([]byte, 800), To: []*Queue{gone}, Waiter: confirmations{&sure}})
			_ = j.commit()
			time.Sleep(2 * time.Second)
		}
	}
	left = at
	run()
	done = left >= 0
	left = 1 << 30
	before := sure
	run()
	if j.failed == nil && sure == before {
		t.Errorf("full from operation %d on: there is room again, and nothing is taken: %v", at, j.full)
	}
	fs.Cut()
	j = reopen(t, o)
	n, m := len(readAll(t, openQueue(t, j, "keep", Limits{}))), len(readAll(t, openQueue(t, j, "gone", Limits{})))
	if v, ok := j.Get("key"); n != 6 || m < sure || !ok || string(v) != "value" || j.Stats().Damaged > 0 {
		t.Errorf("full from operation %d on: %d of 6 records, %d of %d, the value is %q, %d reported damaged", at, n, m, sure, v, j.Stats().Damaged)
	}
	return done
}
