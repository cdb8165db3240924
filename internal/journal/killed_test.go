package journal

import (
	"math/rand/v2"
	"testing"

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
