package journal

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

var elsewhereSeeds = flag.Int("elsewhere.seeds", 60, "histories of TestPositionsFindRoomInAFullJournal")

// The journal was full, and then everything was acknowledged. The positions that say so have no room behind the last record,
// and without them no segment can be used again: they go into another one, or the journal is full forever.
func TestPositionsFindRoomInAFullJournal(t *testing.T) {
	stuck, n := 0, *elsewhereSeeds
	if testing.Short() || timing.Race {
		n = min(n, 20)
	}
	for seed := range uint64(n) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 34))
			segments, sessions := 4+rnd.IntN(14), 5+rnd.IntN(20)
			size := int64(segments) * 16 << 10
			j := reopen(t, Options{Dir: "d", FS: crashdisk.New(rnd), SegmentSize: 16 << 10, Size: size, FreeFloor: -1})
			long := strings.Repeat("i", int(size)/(9+rnd.IntN(5))/sessions-170) // about as much as sessions may take
			var queues []*Queue
			for i := range sessions {
				queues = append(queues, openQueue(t, j, fmt.Sprint(i, long), Limits{}))
			}
			data := make([]byte, 500+rnd.IntN(2000))
			ack := func(q *Queue, n int) {
				items, _ := q.Read(0, n, nil)
				for _, it := range items {
					q.Ack(it.Seq)
				}
			}
			for range 300 {
				switch rnd.IntN(6) {
				case 0, 1, 2:
					j.Append(Record{Data: data, To: queues[:1+rnd.IntN(sessions)]})
				case 3:
					time.Sleep(time.Second)
				case 4:
					for _, q := range queues[:rnd.IntN(sessions)] {
						ack(q, 1+rnd.IntN(4))
					}
				default:
					commit(t, j)
				}
			}
			for _, q := range queues {
				ack(q, 1000)
			}
			taken := 0
			for i := range 120 {
				if i == 60 {
					j.Append(Record{Data: data, To: queues[:1], Waiter: confirmations{&taken}})
				}
				time.Sleep(time.Second)
				commit(t, j)
			}
			if taken == 0 {
				stuck++
				t.Logf("seed %d: %d segments, %d sessions: %v", seed, segments, sessions, j.Stats().Failed)
			}
		})
	}
	if stuck > 0 {
		t.Errorf("in %d of %d histories nothing waits, and a record does not get to the disk in a minute", stuck, n)
	}
}
