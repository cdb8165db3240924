package powercut

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sensorgate/deploy/board"
	"sensorgate/deploy/board/crash"
)

var (
	images     = flag.Int("powercut.images", 0, "at how many moments the power goes")
	fileSystem = flag.String("powercut.fs", "ext4", "file system of the disk: ext4, or one that the board's kernel and this one have")
	load       = flag.Int("powercut.load", 10_000, "how many events the ledger has before the power goes")
	writes     = flag.Int("powercut.writes", 40, "how many writes the disk takes in a second")
	seed       = flag.Uint64("powercut.seed", 1, "where the cuts are")
	keptRun    = flag.String("powercut.run", "", "folder of a run that was kept, instead of a new one")
	onlyCut    = flag.String("powercut.cut", "", "one cut: AT,MODE,SEED")
)

// TestPowerCuts takes the power from a gateway under load, in the middle of what its disk does. See the package.
func TestPowerCuts(t *testing.T) {
	if *images == 0 && *onlyCut == "" {
		t.Skip("boots a virtual machine: make powercut")
	}
	var r *run
	if *keptRun != "" {
		r = reload(t, *keptRun)
	} else if err := board.Ready("amd64"); err != nil {
		t.Skip(err)
	} else {
		r = record(t)
	}
	t.Logf("%s: %d entries in the disk's log, %d events in the ledger", r.fs, len(r.log), len(r.led.events))
	for topic, msgs := range r.led.msgs {
		t.Logf("%s: %d messages", topic, len(msgs))
	}
	for _, f := range r.led.faults {
		t.Errorf("before any cut: %s", f)
	}
	start := time.Now()
	worst := r.cutAll(t, r.cuts(t))
	t.Logf("%d images in %v; the slowest took %v", *images, time.Since(start).Round(time.Second), worst.Round(10*time.Millisecond))
	if t.Failed() {
		t.Logf("the run is kept: go test ./deploy/board/powercut -powercut.run %s -powercut.fs %s -powercut.cut AT,MODE,SEED", r.dir, r.fs)
	}
}

// cuts chooses the moments: half of them anywhere, half of them right before a flush, when most is unflushed.
func (r *run) cuts(t *testing.T) (cuts []crash.Cut) {
	t.Helper()
	if *onlyCut != "" {
		var c crash.Cut
		if _, err := fmt.Sscanf(*onlyCut, "%d,%d,%d", &c.At, &c.Mode, &c.Seed); err != nil {
			t.Fatal(err)
		}
		return []crash.Cut{c}
	}
	var flushes []int
	for i, e := range r.log {
		if e.Flags&crash.Flush != 0 && i > 0 {
			flushes = append(flushes, i)
		}
	}
	rnd := rand.New(rand.NewPCG(*seed, 1))
	loose, with := 0, 0
	for i := range *images {
		at := 1 + rnd.IntN(len(r.log))
		if i%2 == 1 {
			at = flushes[rnd.IntN(len(flushes))]
		}
		cuts = append(cuts, crash.Cut{At: at, Mode: crash.Mode(i / 2 % crash.Modes), Seed: rnd.Uint64N(1e6)})
		if n := crash.Unflushed(r.log, at); n > 0 {
			loose, with = loose+n, with+1
		}
	}
	t.Logf("%d flushes; %d of %d cuts have unflushed writes, %d in all", len(flushes), with, len(cuts), loose)
	return cuts
}

// cutAll tries the cuts, two at a time, and returns how long the slowest took.
func (r *run) cutAll(t *testing.T, cuts []crash.Cut) (worst time.Duration) {
	var all sync.WaitGroup
	var mu sync.Mutex
	free := make(chan struct{}, 2)
	for i, c := range cuts {
		free <- struct{}{}
		if i > 0 && i%50 == 0 {
			t.Logf("%d images", i)
		}
		all.Go(func() {
			defer func() { <-free }()
			began := time.Now()
			for _, f := range r.open(t, c) {
				t.Errorf("cut %v: %s", c, f)
			}
			mu.Lock()
			worst = max(worst, time.Since(began))
			mu.Unlock()
		})
	}
	all.Wait()
	return worst
}
