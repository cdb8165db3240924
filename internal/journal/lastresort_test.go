package journal

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

// A journal full of what nobody may drop, and of next to nothing of others, takes a record all the same: when it has taken
// none for a while, those pay who never do otherwise. Without that it would be full forever.
func TestFullJournalDropsWhatLittleThereIsAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashdisk.New(rand.New(rand.NewPCG(1, 24)))
		j := reopen(t, Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1, Commit: 100 * time.Millisecond})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- j.Run(ctx) }()
		small, hog := openQueue(t, j, "small", Limits{}), openQueue(t, j, "hog", Limits{Full: Refuse})
		for range 5 {
			j.Append(Record{Data: make([]byte, 1000), To: []*Queue{small}, Class: Event})
		}
		// Until it takes nothing more, also of what is gained by copying.
		for had, since := uint64(0), time.Now(); time.Since(since) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
			j.Append(Record{Data: make([]byte, 300), To: []*Queue{hog}, Class: Event})
			if n := hog.Stats().Waiting; n != had {
				had, since = n, time.Now()
			}
		}
		w := newWaits()
		j.Append(Record{Data: make([]byte, 1000), To: []*Queue{small}, Class: Event, Waiter: w})
		time.Sleep(lastResort / 2)
		if n := small.Stats().DroppedFull; n > 0 || len(w.more) > 0 {
			t.Errorf("%d records were dropped after %v, and %d taken", n, lastResort/2, len(w.more))
		}
		time.Sleep(lastResort)
		if n := small.Stats().DroppedFull; n == 0 || len(w.more) == 0 {
			t.Errorf("%d records were dropped after %v, and %d taken: %v", n, lastResort*3/2, len(w.more), j.Stats().Failed)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
