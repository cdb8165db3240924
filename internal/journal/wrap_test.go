package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// Epochs wrap after four billion starts and failed writes; a store that gets there goes on.
func TestEpochWraps(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(9, 9)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 1 << 20, FreeFloor: -1}
	f, err := fs.OpenFile("d/"+slotName(1), os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	spare := header{format: formatNumber, state: slotFree, salt: 7, epoch: 1<<32 - 5, segno: 1, firstLSN: 1}
	f.WriteAt(append(spare.block(), make([]byte, 12<<10)...), 0)
	f.Sync()
	fs.SyncDir("d")
	j := reopen(t, o)
	want := 0
	for run := range 12 {
		q := openQueue(t, j, "q", Limits{})
		for i := range 30 {
			j.Append(Record{Data: fmt.Appendf(make([]byte, 300), "%d", want+i), To: []*Queue{q}})
		}
		commit(t, j)
		want += 30
		if run%3 == 0 {
			fs.Cut()
		}
		j = reopen(t, o)
		if got := len(readAll(t, openQueue(t, j, "q", Limits{}))); got != want {
			t.Fatalf("run %d, epoch %d: %d of %d records", run, j.wr.epoch, got, want)
		}
		if s := j.Stats(); s.Damaged > 0 {
			t.Fatalf("run %d: %d reported damaged", run, s.Damaged)
		}
	}
	if j.wr.epoch > 100 {
		t.Errorf("epoch %d: it did not wrap", j.wr.epoch)
	}
}

// K20: on a full store the slot was used again before the counters of what was dropped for it
// were on disk: a power cut in between, and hundreds of records were gone and none counted.
func TestDropsAreCountedBeforeTheSlotIsUsedAgain(t *testing.T) {
	first := 0 // append whose commit drops
	for cut := -1; cut < 40; cut++ {
		fs := crashdisk.New(rand.New(rand.NewPCG(uint64(cut+1), 9)))
		o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 6 * 16 << 10, FreeFloor: -1}
		j := reopen(t, o)
		q := openQueue(t, j, "q", Limits{})
		sure := 0
		w := confirmations{&sure}
		for i := 0; ; i++ {
			if cut >= 0 && i == first {
				fs.PowerOffAfter(cut)
			}
			j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}, Waiter: w})
			if j.commit() != nil || fs.IsOff() {
				break
			}
			if cut < 0 && q.stats.DroppedFull > 0 {
				first = i
				break
			}
		}
		fs.Cut()
		j = reopen(t, o)
		q = openQueue(t, j, "q", Limits{})
		items := readAll(t, q)
		if n := len(items) + int(q.stats.DroppedFull); n < sure {
			t.Errorf("cut at operation %d: %d were promised, %d are there and %d counted as dropped", cut, sure, len(items), q.stats.DroppedFull)
		}
		if d := j.Stats().Damaged; d > 0 {
			t.Errorf("cut at operation %d: %d reported as damaged", cut, d)
		}
	}
}

// confirmations counts what was committed.
type confirmations struct{ n *int }

func (c confirmations) Committed(_ uint64, err error) {
	if err == nil {
		*c.n++
	}
}
