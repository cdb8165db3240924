package journal

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

// killedLog makes a store of n records in two queues whose process was killed when nothing
// had happened for a while. The second queue has acknowledged half of its records.
func killedLog(t testing.TB, n int, segment int64) (*crashdisk.Disk, Options) {
	t.Helper()
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: segment, Size: 1 << 30, FreeFloor: -1, Twice: []string{"session/"}}
	j := reopen(t, o)
	q, half := openQueue(t, j, "q", Limits{}), openQueue(t, j, "half", Limits{})
	j.Put("session/meta/q", []byte("subscriptions"), Event, nil, 0)
	j.Put("retained/a", []byte("old"), Event, nil, 0)
	for i := range n {
		recs := []Record{{Data: damageData(i), To: []*Queue{q, half}}}
		j.Append(recs...)
		if i%2 == 1 {
			half.Ack(recs[0].Seq)
		}
		if i%7 == 0 {
			commit(t, j)
		}
	}
	j.Put("retained/a", []byte("new"), Event, nil, 0)
	j.Put("session/meta/late", []byte("subscriptions"), Event, nil, 0)
	commit(t, j)
	if err := j.writeMark(); err != nil { // as Run does soon after idle
		t.Fatal(err)
	}
	return fs, o
}

// judge opens a damaged image of killedLog and checks that what is gone is reported: exactly, or
// as "at least". A whole file takes both copies of what
// the newest one has. It returns how many records of the first queue are left, and whether more than was counted may be gone.
func judge(t testing.TB, fs disk.FS, o Options, n int, what string, oneFile bool) (left int, atLeast bool) {
	t.Helper()
	o.FS = fs
	j, err := Open(o)
	if err != nil {
		t.Fatalf("%s: does not open: %v", what, err)
	}
	defer j.closeFiles()
	s := j.Stats()
	q, half := openQueue(t, j, "q", Limits{}), openQueue(t, j, "half", Limits{})
	left = len(readAll(t, q))
	leftHalf := len(readAll(t, half))
	for _, w := range []struct {
		q          *Queue
		left, want int
	}{{q, left, n}, {half, leftHalf, n - n/2}} {
		lost, counted := uint64(max(0, w.want-w.left)), w.q.Stats().Damaged
		if lost > s.Damaged && !s.DamagedAtLeast || lost > 0 && s.Damaged == 0 || !s.DamagedAtLeast && counted != lost {
			t.Errorf("%s: %d of %d records of %s are gone, %d counted, %d reported in all (at least: %v)",
				what, lost, w.want, w.q.Name(), counted, s.Damaged, s.DamagedAtLeast)
		}
	}
	for _, key := range []string{"session/meta/q", "session/meta/late"} {
		if oneFile && key == "session/meta/late" { // of the newest file, which has both copies
			continue
		}
		if v, ok := j.Get(key); !ok || string(v) != "subscriptions" {
			t.Errorf("%s: %s, which a queue hangs on, is gone", what, key)
		}
	}
	if v, ok := j.Get("retained/a"); (!ok || string(v) != "new") && s.Damaged == 0 {
		t.Errorf("%s: the retained value is %q and nothing is reported", what, v)
	}
	return left, s.DamagedAtLeast
}

// K22: one flipped bit in a killed store: at most one record is lost, and it is reported exactly.
func TestEveryBitFlipOfAKilledStore(t *testing.T) {
	const n = 60
	fs, o := killedLog(t, n, 12<<10)
	step := 61
	switch {
	case *everyBit:
		step = 1
	case testing.Short() || timing.Race:
		step = 301
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, name := range fs.Files(".seg") {
		for bit := 0; bit < len(fs.Data(name))*8; bit += step {
			image := fs.Clone(rnd)
			image.Flip(name, bit)
			if left, atLeast := judge(t, image, o, n, fmt.Sprintf("%s bit %d", name, bit), false); left < n-1 || left < n && atLeast {
				t.Fatalf("%s bit %d: %d of %d records left, at least so many gone: %v", name, bit, left, n, atLeast)
			}
		}
	}
}

// K6: one zeroed sector, one zeroed page: no more than what stood in it, and it is reported.
func TestEveryZeroedSectorAndPage(t *testing.T) {
	const n = 200
	fs, o := killedLog(t, n, 1<<20)
	rnd := rand.New(rand.NewPCG(2, 2))
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for _, size := range []int{512, 4096} {
		for _, name := range fs.Files(".seg") {
			for at := 0; at < min(64<<10, len(fs.Data(name))); at += stride * size { // all that is written
				image := fs.Clone(rnd)
				data := append([]byte(nil), fs.Data(name)...)
				clear(data[at:min(at+size, len(data))])
				image.Replace(name, data)
				if left, _ := judge(t, image, o, n, fmt.Sprintf("%s %d bytes at %d", name, size, at), false); left < n-size/24 {
					t.Fatalf("%s %d bytes at %d: %d of %d records left", name, size, at, left, n)
				}
			}
		}
	}
}

// K10: a file that is gone, and one that was cut short, cost thousands of records, and the
// log said "frames=1" or nothing.
func TestLostFilesAreReportedInMessages(t *testing.T) {
	const n = 2000
	fs, o := killedLog(t, n, 64<<10)
	rnd := rand.New(rand.NewPCG(2, 2))
	names := fs.Files(".seg")
	for i, name := range names {
		image := fs.Clone(rnd)
		if err := image.Remove(name); err != nil {
			t.Fatal(err)
		}
		gone, _ := judge(t, image, o, n, filepath.Base(name)+" deleted", true)
		cut := fs.Clone(rnd)
		cut.Replace(name, append([]byte(nil), fs.Data(name)[:len(fs.Data(name))/3]...))
		judge(t, cut, o, n, filepath.Base(name)+" cut to a third", true)
		if i > 0 && i < len(names)-2 && gone == n {
			t.Errorf("%s was deleted and nothing is missing: the test has no records in it", name)
		}
	}
}

// A file in which there were values alone leaves no hole in the log, and no queue misses anything: the number of values,
// which is in every mark, shows it.
func TestLostFileOfValuesIsReported(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 1 << 30, FreeFloor: -1}
	j := reopen(t, o)
	const values = 60
	for i := range values {
		j.Put(fmt.Sprint("retained/", i), make([]byte, 900), Event, nil, 0)
		commit(t, j)
	}
	if err := j.writeMark(); err != nil {
		t.Fatal(err)
	}
	some := 0
	for _, name := range fs.Files(".seg") {
		image := fs.Clone(rand.New(rand.NewPCG(2, 2)))
		if err := image.Remove(name); err != nil {
			t.Fatal(err)
		}
		o.FS = image
		again := reopen(t, o)
		gone := values - len(again.Keys("retained/"))
		if s := again.Stats(); uint64(gone) > s.Damaged && !s.DamagedAtLeast {
			t.Errorf("%s deleted: %d values are gone, %d reported (at least: %v)", name, gone, s.Damaged, s.DamagedAtLeast)
		}
		if gone > 0 {
			some++
		}
		again.closeFiles()
	}
	if some < 3 {
		t.Errorf("%d files with values: too few", some)
	}
}

// K22: the frame that dropped a session's queue is damaged and the session was made anew: some
// starts took the old queue, with its dead messages. The later one lives, at every start.
func TestRenewedQueueWinsOverTheOldOne(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	fs := crashdisk.New(rnd)
	o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 30, FreeFloor: -1}
	j := reopen(t, o)
	q := openQueue(t, j, "session/a", Limits{})
	j.Append(Record{Data: []byte("dead"), To: []*Queue{q}})
	commit(t, j)
	if err := j.DropQueue("session/a"); err != nil {
		t.Fatal(err)
	}
	commit(t, j)
	q = openQueue(t, j, "session/a", Limits{})
	j.Append(Record{Data: []byte("alive"), To: []*Queue{q}})
	commit(t, j)
	if err := j.writeMark(); err != nil {
		t.Fatal(err)
	}
	name := fs.Files(".seg")[0]
	drops := 0
	for _, f := range findFrames(fs.Data(name), j.wr.st.salt, 1, 0) {
		if frameKind(f.body[0]) != kindDrop {
			continue
		}
		drops++
		image := fs.Clone(rnd)
		image.Flip(name, int(f.off+frameHeader)*8)
		o.FS = image
		for range 10 { // map order
			again := reopen(t, o)
			if items := readAll(t, openQueue(t, again, "session/a", Limits{})); len(items) != 1 || string(items[0].Data) != "alive" {
				t.Fatalf("%d records wait in the renewed queue", len(items))
			}
			again.closeFiles()
		}
	}
	if drops != 2 {
		t.Errorf("the frame that drops a queue stands %d times, want 2", drops)
	}
}

// K22: the frame of a removal is damaged: the value does not come back.
func TestRemovedValueStaysAway(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	fs := crashdisk.New(rnd)
	o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 30, FreeFloor: -1}
	j := reopen(t, o)
	j.Put("retained/a", []byte("cleared"), Event, nil, 0)
	commit(t, j)
	j.Delete("retained/a", Event)
	commit(t, j)
	if err := j.writeMark(); err != nil {
		t.Fatal(err)
	}
	name := fs.Files(".seg")[0]
	for _, f := range findFrames(fs.Data(name), j.wr.st.salt, 1, 0) {
		if frameKind(f.body[0]) != kindDelete {
			continue
		}
		image := fs.Clone(rnd)
		image.Flip(name, int(f.off+frameHeader+2)*8)
		o.FS = image
		again := reopen(t, o)
		if v, ok := again.Get("retained/a"); ok {
			t.Errorf("the removed value %q is back", v)
		}
		again.closeFiles()
	}
}

// What is acknowledged while positions are on their way to the disk is not in them: the segment that
// it empties is not used again before the next ones. Else a power cut made acknowledged messages look
// like damage.
func TestAcknowledgedDuringASyncIsNoDamage(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 32 * 16 << 10, FreeFloor: -1}
	j := reopen(t, o)
	q := openQueue(t, j, "q", Limits{})
	var seqs []Seq
	for range 60 {
		r := []Record{{Data: make([]byte, 2000), To: []*Queue{q}}}
		j.Append(r...)
		seqs = append(seqs, r[0].Seq)
		commit(t, j)
	}
	q.Ack(seqs[:10]...)
	fs.SyncTime = func() time.Duration { // the subscriber is quick, the disk is slow
		if len(seqs) > 10 {
			q.Ack(seqs[10])
			seqs = append(seqs[:10:10], seqs[11:]...)
		}
		return 0
	}
	for range 12 {
		commit(t, j)
		image := fs.Clone(rand.New(rand.NewPCG(2, 2)))
		p := o
		p.FS = image
		if k, err := Open(p); err != nil || k.Stats().Damaged > 0 {
			t.Fatalf("%d records are reported as damaged, and none is: %v", k.Stats().Damaged, err)
		}
	}
	if len(seqs) > 40 {
		t.Errorf("%d of 60 records still wait: too few syncs", len(seqs))
	}
}
