package journal

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

// Messages for a queue at its bound were answered for at once and dropped, and a power cut took the count of them
// along: gone, and nothing said so. Nobody hears of a record before what it was dropped for is on disk.
func TestNobodyHearsOfADropBeforeItIsCountedOnDisk(t *testing.T) {
	for _, lim := range []Limits{
		{Bytes: 2000},                   // drops what it has not written yet
		{Bytes: 2000, Full: DropNewest}, // does not take what comes
		{Bytes: 300},                    // is too small for any
	} {
		for cut := range 8 {
			fs := crashdisk.New(rand.New(rand.NewPCG(uint64(cut), 22)))
			o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 20, FreeFloor: -1}
			j := reopen(t, o)
			q, other := openQueue(t, j, "q", lim), openQueue(t, j, "other", Limits{})
			commit(t, j)
			sure := 0
			burst := func() {
				for i := range 10 {
					r := []Record{{Data: make([]byte, 500), To: []*Queue{q, other}[:1+i%2], Waiter: confirmations{&sure}, Class: Event}}
					j.Append(r...)
					other.Ack(r[0].Seq)
				}
			}
			burst()
			fs.SyncTime = func() time.Duration { // more comes while these are written
				fs.SyncTime = nil
				burst()
				return 0
			}
			fs.PowerOffAfter(cut)
			_ = j.commit()
			_ = j.commit()
			fs.Cut()
			j = reopen(t, o)
			q = openQueue(t, j, "q", Limits{})
			if n := len(readAll(t, q)); n+int(q.stats.DroppedFull) < sure {
				t.Errorf("%+v, cut at operation %d: %d were answered for, %d are there and %d counted as dropped", lim, cut, sure, n, q.stats.DroppedFull)
			}
		}
	}
}

// A full journal that is stopped has readings in memory, for which nobody has an answer: they find room, or are counted.
func TestWhatFindsNoRoomAtAStopIsCounted(t *testing.T) {
	for _, full := range []Policy{DropOldest, Refuse} { // of the queue that fills the journal
		synctest.Test(t, func(t *testing.T) {
			fs := crashdisk.New(rand.New(rand.NewPCG(1, 23)))
			o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1, Commit: 100 * time.Millisecond}
			j := reopen(t, o)
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			hog, spool := openQueue(t, j, "hog", Limits{Full: full}), openQueue(t, j, "spool", Limits{})
			for range 200 {
				j.Append(Record{Data: make([]byte, 1000), To: []*Queue{hog}, Class: Event})
				time.Sleep(10 * time.Millisecond)
			}
			const readings = 60
			for range readings {
				j.Append(Record{Data: make([]byte, 900), To: []*Queue{spool}})
			}
			stop()
			if err := <-ended; full == DropOldest && err != nil {
				t.Errorf("stop: %v", err)
			}
			j = reopen(t, o)
			spool = openQueue(t, j, "spool", Limits{})
			if n, dropped := len(readAll(t, spool)), int(spool.stats.DroppedFull); n+dropped != readings || full == DropOldest && n < readings/2 {
				t.Errorf("policy %v: %d of %d readings are there, %d are counted as dropped", full, n, readings, dropped)
			}
			if d := j.Stats().Damaged; d > 0 {
				t.Errorf("policy %v: %d reported damaged", full, d)
			}
		})
	}
}
