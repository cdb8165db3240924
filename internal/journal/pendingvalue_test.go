package journal

import (
	"math/rand/v2"
	"testing"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

// A retained message was acknowledged, a newer one was on its way, and a power cut took both: the segment with the
// first was used again, because only the newest counted. The same for a removal: the value came back.
func TestAcknowledgedValueStaysUntilTheNewerOneIsOnDisk(t *testing.T) {
	for _, removed := range []bool{false, true} {
		for cut := 30; cut < 80; cut++ {
			fs := crashdisk.New(rand.New(rand.NewPCG(uint64(cut), 1)))
			o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1}
			j := reopen(t, o)
			q := openQueue(t, j, "q", Limits{})
			fill := func(n int) {
				for range n {
					j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}})
				}
			}
			j.Put("retained/a", []byte("old"), Event, nil, 0)
			commit(t, j)
			fill(70)
			commit(t, j)
			ack := func() {
				for _, it := range readAll(t, q) {
					q.Ack(it.Seq)
				}
			}
			ack()
			commit(t, j)
			fill(15) // a segment and more, so that the value stands at the end of one
			if removed {
				j.Delete("retained/a", Event)
			} else {
				j.Put("retained/a", []byte("acknowledged"), Event, nil, 0)
			}
			fs.SyncTime = func() time.Duration { // the next one comes while this one is written
				j.Put("retained/a", []byte("newer"), Event, nil, 0)
				fs.SyncTime = nil
				return 0
			}
			commit(t, j)
			ack()
			fill(80) // and the newest behind them
			j.Put("retained/a", []byte("newest"), Event, nil, 0)
			fs.PowerOffAfter(cut)
			err := j.commit()
			fs.Cut()
			j = reopen(t, o)
			v, ok := j.Get("retained/a")
			if got := string(v); got == "old" || !ok && !removed {
				t.Errorf("removed %v, cut at operation %d (%v): the value is %q, there: %v", removed, cut, err, got, ok)
			}
		}
	}
}
