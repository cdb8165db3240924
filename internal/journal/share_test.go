package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

// K9: one absent client filled the journal, and the oldest of ALL queues went: another
// session lost all it had, a spool as well, without a line in the log.
func TestWhoFillsTheJournalPaysFirst(t *testing.T) {
	var log bytes.Buffer
	o := Options{
		Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1))), SegmentSize: 64 << 10, Size: 32 * 64 << 10, FreeFloor: -1,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	j := reopen(t, o)
	victim, spool := openQueue(t, j, "session/victim", Limits{}), openQueue(t, j, "spool/cloud", Limits{Reserve: 1 << 20})
	hogs := []*Queue{openQueue(t, j, "session/hog1", Limits{}), openQueue(t, j, "session/hog2", Limits{})}
	const victims, spooled = 200, 600
	for i := range spooled { // the oldest of all, side by side with the hogs'
		to := []*Queue{spool}
		if i < victims {
			to = append(to, victim)
		}
		j.Append(Record{Data: make([]byte, 1000), To: to}, Record{Data: make([]byte, 1000), To: hogs[:1]})
		if i%20 == 0 {
			commit(t, j)
		}
	}
	for i := range 8000 {
		j.Append(Record{Data: make([]byte, 1000), To: hogs[i%2:][:1]})
		if i%20 == 0 {
			commit(t, j)
		}
	}
	commit(t, j)
	j.logDrops(time.Now())
	j.logDrops(time.Now())
	for q, want := range map[*Queue]int{victim: victims, spool: spooled} {
		if got := len(readAll(t, q)); got != want || q.Stats().DroppedFull > 0 {
			t.Errorf("%s: %d of %d records are left, %d dropped", q.Name(), got, want, q.Stats().DroppedFull)
		}
	}
	for _, q := range hogs {
		s := q.Stats()
		if s.DroppedFull == 0 || s.Waiting < 100 {
			t.Errorf("%s: %d wait, %d dropped: it should have its share, and no more", q.Name(), s.Waiting, s.DroppedFull)
		}
		if n := strings.Count(log.String(), fmt.Sprintf("queue=%s ", q.Name())); n != 1 {
			t.Errorf("%d lines in the log about the drops of %s, want 1:\n%s", n, q.Name(), &log)
		}
	}
	if s := j.Stats(); s.DiskBytes > o.Size || s.Failed != nil {
		t.Errorf("%d bytes on disk of %d, %v", s.DiskBytes, o.Size, s.Failed)
	}
}

// Who looks why messages are missing looks into the log, also if the gateway stopped a moment after it had dropped them.
func TestDropsRightBeforeTheStopAreLogged(t *testing.T) {
	var log bytes.Buffer
	o := Options{Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1))), Log: slog.New(slog.NewTextHandler(&log, nil))}
	j := reopen(t, o)
	q := openQueue(t, j, "session/c", Limits{Bytes: 1000})
	j.Append(Record{Data: make([]byte, 900), To: []*Queue{q}}, Record{Data: make([]byte, 900), To: []*Queue{q}})
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if s := q.Stats(); s.DroppedFull != 1 {
		t.Fatalf("%d dropped, want 1", s.DroppedFull)
	}
	if n := strings.Count(log.String(), "queue=session/c full=1 "); n != 1 {
		t.Errorf("%d lines in the log about the drop, want 1:\n%s", n, &log)
	}
}

// K14: a small file system is used, and a quarter of it is left alone, whatever the floor is.
func TestSmallFileSystem(t *testing.T) {
	for _, size := range []string{"24m", "12m"} {
		dir := tmpfs(t, size)
		j, stop := start(t, Options{Dir: dir, FreeFloor: 64 << 20, Commit: 20 * time.Millisecond})
		q := openQueue(t, j, "q", Limits{})
		w := newWaits()
		const n = 4000
		for i := range n {
			j.Append(Record{Data: make([]byte, 10<<10), To: []*Queue{q}, Class: Event, Waiter: w, Token: uint64(i)})
			w.next(t, 1)
			if w.errs[i] != nil {
				t.Fatalf("%s: append %d: %v", size, i, w.errs[i])
			}
		}
		free, total, err := disk.OS{}.Space(dir)
		if err != nil || free < total/4 {
			t.Errorf("%s: %d of %d bytes are free, want a quarter", size, free, total)
		}
		if s := q.Stats(); s.Waiting < 300 || s.Waiting+s.DroppedFull != n {
			t.Errorf("%s: %d wait and %d were dropped of %d", size, s.Waiting, s.DroppedFull, n)
		}
		stop()
	}
}

// fullAt is a disk on which one operation finds no room, as on file systems that copy what
// is written over.
type fullAt struct {
	*crashdisk.Disk
	left int
}

func (f *fullAt) full() bool { f.left--; return f.left == -1 }

func (f *fullAt) OpenFile(name string, flag int) (disk.File, error) {
	if f.full() {
		return nil, syscall.ENOSPC
	}
	file, err := f.Disk.OpenFile(name, flag)
	return fullFile{file, f}, err
}

func (f *fullAt) SyncDir(dir string) error {
	if f.full() {
		return syscall.ENOSPC
	}
	return f.Disk.SyncDir(dir)
}

type fullFile struct {
	disk.File
	at *fullAt
}

func (f fullFile) WriteAt(b []byte, off int64) (int, error) {
	if f.at.full() {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(b, off)
}

func (f fullFile) Sync() error {
	if f.at.full() { // what was written is half on the disk, and is not written again
		f.at.EIO = 1
		_ = f.File.Sync()
		f.at.EIO = 0
		return syscall.ENOSPC
	}
	return f.File.Sync()
}

// K14: the disk is full at any one operation of a compaction: nothing is lost, the journal goes
// on or says that it failed, and opens again.
func TestFullDiskAtEveryOperationOfCompaction(t *testing.T) {
	for at := range 40 {
		fs := &fullAt{Disk: crashdisk.New(rand.New(rand.NewPCG(1, 1))), left: -2}
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
		fs.left = at
		for range 3 { // each looks whether a segment is to be compacted
			j.looked = time.Time{}
			if j.commit() != nil {
				break
			}
		}
		fs.left = -2
		for i := range 40 { // there is room again, and for another file
			if j.failed != nil {
				break
			}
			j.Append(Record{Data: make([]byte, 800), To: []*Queue{gone}})
			if err := j.commit(); err != nil {
				t.Errorf("full at operation %d: %d records later: %v", at, i, err)
			}
		}
		fs.Disk.Cut()
		j, err := Open(o)
		if err != nil {
			t.Fatalf("full at operation %d: does not open again: %v", at, err)
		}
		if n := len(readAll(t, openQueue(t, j, "keep", Limits{}))); n != 6 {
			t.Errorf("full at operation %d: %d of 6 records", at, n)
		}
		if v, ok := j.Get("key"); !ok || string(v) != "value" {
			t.Errorf("full at operation %d: the entry is gone", at)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Errorf("full at operation %d: %d reported damaged", at, s.Damaged)
		}
	}
}

// The same while files are made: what was begun is removed, and the next try makes it.
func TestFullDiskAtEveryOperationWhileFilesAreMade(t *testing.T) {
	for at := range 120 {
		fs := &fullAt{Disk: crashdisk.New(rand.New(rand.NewPCG(1, 1))), left: -2}
		o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 16 * 16 << 10, FreeFloor: -1}
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{Full: Refuse})
		fs.left = at
		sure := 0
		for i := range 60 {
			j.Append(Record{Data: make([]byte, 800), To: []*Queue{q}, Waiter: confirmations{&sure}})
			if err := j.commit(); err != nil {
				t.Errorf("full at operation %d: record %d: %v", at, i, err)
				break
			}
		}
		fs.left = -2
		fs.Disk.Cut()
		j = reopen(t, o)
		if n := len(readAll(t, openQueue(t, j, "q", Limits{}))); n < sure || sure < 55 {
			t.Errorf("full at operation %d: %d records, %d were promised", at, n, sure)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Errorf("full at operation %d: %d reported damaged", at, s.Damaged)
		}
	}
}

// A second power cut at each operation of the recovery from the first.
func TestSecondCutDuringRecovery(t *testing.T) {
	for at := range 60 {
		rnd := rand.New(rand.NewPCG(uint64(at), 1))
		fs := crashdisk.New(rnd)
		o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 1 << 20, FreeFloor: -1, Twice: []string{"k"}}
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{})
		sure := 0
		j.Put("key", []byte("value"), Event, nil, 0)
		for i := range 50 {
			j.Append(Record{Data: make([]byte, 500), To: []*Queue{q}, Waiter: confirmations{&sure}})
			if i%5 == 0 {
				commit(t, j)
			}
		}
		fs.PowerOffAfter(rnd.IntN(4))
		j.commit()
		fs.Cut()
		fs.PowerOffAfter(at)
		if j, err := Open(o); err == nil {
			j.closeFiles()
		}
		fs.Cut()
		j = reopen(t, o)
		if n := len(readAll(t, openQueue(t, j, "q", Limits{}))); n < sure {
			t.Errorf("second cut at operation %d: %d of %d promised records", at, n, sure)
		}
		if v, ok := j.Get("key"); !ok || string(v) != "value" {
			t.Errorf("second cut at operation %d: the entry is gone", at)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Errorf("second cut at operation %d: %d reported damaged", at, s.Damaged)
		}
	}
}

// Nobody who has next to nothing pays while another queue has most of the journal, however small the
// journal is and wherever the records lie: before, what was in excess stood in segments that may not
// be reused yet, and the messages of others were dropped, for which no room was gained.
func TestSmallQueueDoesNotPayForOneThatFillsTheJournal(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 9))
			j, err := Open(Options{
				Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(seed, 10))), SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1,
				Commit: time.Duration(50+rnd.IntN(150)) * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			spool := openQueue(t, j, "spool/up", Limits{Reserve: 64 << 10})
			var small []*Queue
			for i := range 4 {
				small = append(small, openQueue(t, j, fmt.Sprintf("session/c%d", i), Limits{}))
			}
			hog := openQueue(t, j, "session/hog", Limits{})
			for i := range 1500 {
				to := []*Queue{hog}
				if rnd.IntN(3) == 0 {
					to = append(to, spool)
				}
				if i%100 == 0 {
					j.Append(Record{Data: make([]byte, 31), To: small[i/100%4:][:1], Class: Event})
				}
				j.Append(Record{Data: make([]byte, 10+rnd.IntN(4000)), To: to, Class: Event})
				if rnd.IntN(20) == 0 {
					time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
				}
			}
			time.Sleep(time.Minute) // a megabyte in memory, of which a segment's worth is kept
			for _, q := range small {
				if s := q.Stats(); s.DroppedFull > 0 {
					t.Errorf("seed %d: %s lost %d messages of 31 bytes, while %d bytes wait for the hog", seed, q.Name(), s.DroppedFull, hog.Stats().WaitingBytes)
				}
			}
			if hog.Stats().DroppedFull == 0 {
				t.Errorf("seed %d: the hog lost nothing: the journal was not full", seed)
			}
			if err := j.Stats().Failed; err != nil {
				t.Errorf("seed %d: after a minute of rest: %v", seed, err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// In a journal whose segments have next to nothing in them each, the only one with something waiting
// does not pay for the room that a burst wants: segments are copied together.
func TestNothingIsDroppedFromANearlyEmptyJournal(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 19))
			j, err := Open(Options{
				Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(seed, 10))), SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1,
				Commit: time.Duration(50+rnd.IntN(150)) * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			away := openQueue(t, j, "session/away", Limits{})
			online := openQueue(t, j, "session/online", Limits{})
			for range 300 {
				j.Append(Record{Data: make([]byte, 43), To: []*Queue{away}, Class: Event})
				var seqs []Seq
				for range rnd.IntN(30) { // a burst, that its subscriber has acknowledged soon after
					r := []Record{{Data: make([]byte, 2000), To: []*Queue{online}, Class: Event}}
					j.Append(r...)
					seqs = append(seqs, r[0].Seq)
				}
				time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
				online.Ack(seqs...)
			}
			time.Sleep(time.Minute)
			if s := away.Stats(); s.DroppedFull > 0 {
				t.Errorf("seed %d: %d of 300 messages of 43 bytes were dropped, %d bytes wait for the other", seed, s.DroppedFull, online.Stats().WaitingBytes)
			}
			stop()
			if err := <-ended; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}
