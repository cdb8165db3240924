package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

// A journal that was full finds room again as soon as everything was acknowledged, however
// large the positions are against a segment, and although newer values of entries wait for
// this very room. Before, positions that did not fit behind the last record kept every
// segment that they would have freed.
func TestFullJournalFindsRoomAgain(t *testing.T) {
	if timing.Race {
		t.Skip("the disk in memory has no lock; runs without the race detector, as a 32-bit program too")
	}
	for seed := range uint64(80) {
		sessions, segments := 8, int64(8)
		if seed%2 == 1 { // their positions take more than one segment
			sessions, segments = 20, 16
		}
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 14))
			j, err := Open(Options{
				Dir: "d", FS: crashdisk.New(rnd), SegmentSize: 16 << 10, Size: segments * 16 << 10, FreeFloor: -1,
				Commit: 100 * time.Millisecond, Twice: []string{"session/"},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			var queues []*Queue
			long := strings.Repeat("i", 800)
			for i := range sessions {
				queues = append(queues, openQueue(t, j, fmt.Sprintf("session/%d-%s", i, long), Limits{}))
				j.Put(fmt.Sprintf("session/meta/%d-%s", i, long[:600]), make([]byte, 60), Event, nil, 0)
			}
			for range 50 * sessions {
				q := queues[rnd.IntN(len(queues))]
				switch rnd.IntN(8) {
				case 0:
					j.Put(fmt.Sprintf("session/meta/%d-%s", rnd.IntN(sessions), long[:600]), make([]byte, 50+rnd.IntN(20)), Event, nil, 0)
				case 1:
					items, _ := q.Read(0, 1+rnd.IntN(3), nil)
					for _, it := range items {
						q.Ack(it.Seq)
					}
				case 2:
					time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
				default:
					j.Append(Record{Data: make([]byte, 500+rnd.IntN(2000)), To: []*Queue{q}, Class: Event})
				}
			}
			for _, q := range queues {
				for items, _ := q.Read(0, 1000, nil); len(items) > 0; items, _ = q.Read(0, 1000, nil) {
					for _, it := range items {
						q.Ack(it.Seq)
					}
				}
			}
			time.Sleep(time.Minute)
			w := newWaits()
			j.Append(Record{Data: make([]byte, 500), To: queues[:1], Class: Event, Waiter: w, Token: 1})
			time.Sleep(time.Minute)
			select {
			case <-w.more:
				if w.errs[0] != nil {
					t.Errorf("seed %d: append: %v", seed, w.errs[0])
				}
			default:
				t.Errorf("seed %d: nothing waits, and a record does not get to the disk in a minute: %v", seed, j.Stats().Failed)
			}
			stop()
			if err := <-ended; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// A full journal whose disk fails as well tries again once a second, and not as fast as it can: it took a whole
// processor (seed 654 of the simulation: the time of its bubble stood still).
func TestFullJournalOnAFailingDiskTriesOnceASecond(t *testing.T) {
	if timing.Race {
		t.Skip("the disk in memory has no lock; runs without the race detector, as a 32-bit program too")
	}
	for ops := range 40 { // until the disk fails: between the positions and what they free
		synctest.Test(t, func(t *testing.T) {
			fs := crashdisk.New(rand.New(rand.NewPCG(1, 14)))
			j, err := Open(Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1, Commit: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			q := openQueue(t, j, "q", Limits{Full: Refuse})
			for j.Stats().Failed == nil {
				j.Append(Record{Data: make([]byte, 2000), To: []*Queue{q}, Class: Event})
				time.Sleep(20 * time.Millisecond)
			}
			items, _ := q.Read(0, 1000, nil)
			for i, it := range items {
				if i%2 == 0 {
					q.Ack(it.Seq)
				}
			}
			fs.Ops = ops
			time.Sleep(10 * time.Second)
			stop()
			<-ended
		})
	}
}
