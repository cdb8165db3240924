package journal

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

// A process that is killed while it makes a file leaves a file whose name only the page cache has. The next
// run found it there and wrote into it; a power cut later it was gone, with all that had been acknowledged.
func TestFileWhoseMakingWasKilledIsNotLost(t *testing.T) {
	for at := range 90 {
		fs := crashdisk.New(rand.New(rand.NewPCG(uint64(at), 21)))
		o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 4 * 16 << 10, FreeFloor: -1}
		sure := 0
		fill := func(j *Journal) {
			q := openQueue(t, j, "q", Limits{})
			for range 30 {
				j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}, Waiter: confirmations{&sure}})
				if j.commit() != nil {
					return
				}
			}
		}
		fs.PowerOffAfter(at)
		if j, err := Open(o); err == nil {
			fill(j)
		}
		fs.Off, fs.Ops, fs.Locked = false, -1, false // a kill: the page cache has all that was written
		fill(reopen(t, o))
		fs.Cut()
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{})
		if n, dropped := len(readAll(t, q)), int(q.stats.DroppedFull); n+dropped < sure {
			t.Errorf("killed at operation %d: %d promised records, %d are there and %d counted as dropped", at, sure, n, dropped)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Errorf("killed at operation %d: %d reported damaged", at, s.Damaged)
		}
	}
}

// What a failed sync left in the page cache only looks sound to the next run, and a second sync does not write it: it is
// written again, or a power cut takes what that run has found and built upon.
func TestWhatAFailedSyncLeftIsWrittenAgain(t *testing.T) {
	both := false
	for seed := range uint64(20) {
		fs := crashdisk.New(rand.New(rand.NewPCG(seed, 25)))
		o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 20, FreeFloor: -1}
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{})
		fill := func() {
			for range 10 {
				j.Append(Record{Data: make([]byte, 700), To: []*Queue{q}})
			}
		}
		fill()
		commit(t, j)
		fill()
		dying := &dyingDisk{Disk: fs}
		for _, s := range j.slots {
			if s != nil {
				s.f = dyingFile{s.f, dying}
			}
		}
		if j.commit() == nil {
			t.Fatal("a commit on a broken disk went well")
		}
		fs.Locked = false
		j = reopen(t, o)
		q = openQueue(t, j, "q", Limits{})
		found := len(readAll(t, q))
		both = both || found == 20
		fill()
		commit(t, j)
		fs.Cut()
		j = reopen(t, o)
		if n := len(readAll(t, openQueue(t, j, "q", Limits{}))); n != found+10 {
			t.Errorf("seed %d: %d records, want the %d that were found and 10 more", seed, n, found)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Errorf("seed %d: %d reported damaged", seed, s.Damaged)
		}
	}
	if !both {
		t.Error("nothing of what a failed sync had left was found")
	}
}

// dyingDisk fails at its next sync, and writes nothing from then on.
type dyingDisk struct {
	*crashdisk.Disk
	dead bool
}

type dyingFile struct {
	disk.File
	d *dyingDisk
}

func (f dyingFile) WriteAt(b []byte, off int64) (int, error) {
	if f.d.dead {
		return 0, syscall.EIO
	}
	return f.File.WriteAt(b, off)
}

func (f dyingFile) Sync() error {
	if f.d.dead {
		return syscall.EIO
	}
	f.d.EIO, f.d.dead = 1, true
	defer func() { f.d.EIO = 0 }()
	return f.File.Sync()
}

// A consumer gets what lies behind drops before the disk knows of them. A kill in between brings the dropped records
// back; then all that the consumer had behind them comes again after them, and it meets nothing out of its place.
func TestDropUndoneByAKillComesBackInItsPlace(t *testing.T) {
	undone, kept := 0, 0
	for at := range 4 {
		fs := crashdisk.New(rand.New(rand.NewPCG(uint64(at), 31)))
		o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 20, FreeFloor: -1}
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{Bytes: 5000})
		for range 5 {
			j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}})
		}
		commit(t, j)
		for range 2 { // the first two go
			j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}})
		}
		delivered := readAll(t, q)
		for _, it := range delivered {
			q.Ack(it.Seq)
		}
		fs.PowerOffAfter(at)
		_ = j.commit()
		fs.Off, fs.Ops, fs.Locked = false, -1, false // a kill: the page cache has all that was written
		q = openQueue(t, reopen(t, o), "q", Limits{})
		got := readAll(t, q)
		if len(got) == 0 {
			if kept++; q.Stats().DroppedFull != 2 {
				t.Errorf("killed at operation %d: nothing comes, and %d are counted as dropped, want 2", at, q.Stats().DroppedFull)
			}
			continue
		}
		undone++
		for i, it := range got {
			if it.Seq != Seq(i+1) {
				t.Errorf("killed at operation %d: record %d comes as number %d", at, it.Seq, i+1)
			}
		}
		if n := q.Stats().DroppedFull; len(got) < 5 || n > 0 {
			t.Errorf("killed at operation %d: the drops are undone, %d of the 5 records on the disk come, and %d are counted as dropped", at, len(got), n)
		}
	}
	if undone == 0 || kept == 0 {
		t.Errorf("%d kills undid the drops and %d did not: nothing was tried", undone, kept)
	}
}
