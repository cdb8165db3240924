package history

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

var (
	crashSeeds = flag.Int("crash.seeds", 300, "histories of TestPowerCuts")
	crashSeed  = flag.Uint64("crash.seed", 0, "run only this history")
)

// The power is cut at any operation, several times, also while a store is opened and
// while the disk is full or fails now and then. Afterwards the store opens, what was
// written before is there, and nothing is there twice or was never added.
func TestPowerCuts(t *testing.T) {
	if *crashSeed != 0 {
		runCuts(t, *crashSeed)
		return
	}
	n := uint64(*crashSeeds)
	switch {
	case testing.Short():
		n = min(n, 20)
	case timing.Race:
		n = min(n, 100)
	}
	for seed := range n {
		if runCuts(t, seed); t.Failed() {
			t.Fatalf("replay with -crash.seed=%d", seed)
		}
	}
}

// world is what one history remembers.
type world struct {
	rnd     *rand.Rand
	fs      *crashdisk.Disk
	now     time.Time
	begin   time.Time
	added   map[string]float64 // time of a point and its value, by series and time
	durable map[string]bool    // was in a frame whose write succeeded
	hot     []string           // since the last such write
}

func runCuts(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	w := &world{rnd: rnd, fs: crashdisk.New(rnd), begin: time.Unix(1_700_000_000, 0), added: map[string]float64{}, durable: map[string]bool{}}
	w.now = w.begin
	w.fs.Unordered = rnd.IntN(2) == 0
	for range 2 + rnd.IntN(4) {
		w.life(t)
		if t.Failed() {
			return
		}
	}
}

// life opens the store, uses it until the power goes or it is stopped, and checks it.
func (w *world) life(t *testing.T) {
	w.fs.Ops = 10 + w.rnd.IntN(400)
	w.fs.EIO = []float64{0, 0, 0.02}[w.rnd.IntN(3)]
	s, err := Open(Options{Dir: "h", FS: w.fs})
	if err == nil {
		for range 10 + w.rnd.IntN(60) {
			w.work(s)
			if w.fs.Off {
				break
			}
		}
	} else if !w.fs.Off && w.fs.EIO == 0 {
		t.Errorf("the store does not open: %v", err)
		return
	}
	w.fs.EIO = 0
	w.fs.Cut()
	w.hot = nil
	s, err = Open(Options{Dir: "h", FS: w.fs})
	if err != nil {
		t.Errorf("after a cut the store does not open: %v", err)
		return
	}
	w.check(t, s)
	s.close()
}

func (w *world) work(s *Store) {
	for range w.rnd.IntN(40) {
		series := fmt.Sprintf("d%d/c", w.rnd.IntN(5))
		v := float64(w.rnd.IntN(1000)) / 10
		w.now = w.now.Add(time.Duration(1+w.rnd.IntN(20)) * time.Second)
		s.Add(series, Number, w.now, Value{Number: v})
		key := fmt.Sprintf("%s %d", series, w.now.UnixMilli())
		w.added[key] = v
		w.hot = append(w.hot, key)
	}
	s.flush()
	if s.problem == nil {
		for _, k := range w.hot {
			w.durable[k] = true
		}
		w.hot = nil
	}
	if w.rnd.IntN(4) == 0 {
		s.roll(w.now)
	}
}

// check compares what the store has with what was added.
func (w *world) check(t *testing.T, s *Store) {
	var b bytes.Buffer
	if err := s.Export(&b, nil); err != nil {
		t.Error(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, r := range rows[1:] {
		at, _ := time.Parse(time.RFC3339, r[0])
		key := fmt.Sprintf("%s %d", r[1], at.UnixMilli())
		if r[2] != "0" {
			continue
		}
		if v, known := w.added[key]; !known || numberText(v) != r[3] || seen[key] {
			t.Errorf("%s = %s: added %v, seen before %v", key, r[3], known, seen[key])
		}
		seen[key] = true
	}
	for k := range w.durable {
		if !seen[k] {
			t.Errorf("%s was written and is gone", k)
			return
		}
	}
	w.checkMinutes(t, s, len(seen))
}

// checkMinutes: the minutes, and what is not yet in them, have every value once.
func (w *world) checkMinutes(t *testing.T, s *Store, want int) {
	got := uint64(0)
	for i := range 5 {
		for from := w.begin; from.Before(w.now); from = from.Add(24 * time.Hour) {
			a, err := s.Query(Query{Series: fmt.Sprintf("d%d/c", i), From: from, To: from.Add(24 * time.Hour), Every: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			for _, p := range a.Points {
				got += p.N
			}
		}
	}
	if got != uint64(want) {
		t.Errorf("the minutes stand for %d values, single values are %d", got, want)
	}
}
