package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

func data(items []Item) (s []string) {
	for _, it := range items {
		s = append(s, string(it.Data))
	}
	return s
}

// Positions survive as they were: acknowledged ones between others that wait, drops
// with their gap, counters, and the names of the queues.
func TestPositionsSurvive(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentSize: 64 << 10}
	j, stop := start(t, o)
	q := openQueue(t, j, "q", Limits{Bytes: 50})
	openQueue(t, j, "gone", Limits{})
	var seqs []Seq
	for i := range 12 {
		r := []Record{{Data: fmt.Appendf(nil, "%05d", i), To: []*Queue{q}}}
		j.Append(r...)
		seqs = append(seqs, r[0].Seq)
	}
	q.Ack(seqs[4], seqs[6], seqs[5], seqs[9], 9999)
	if err := j.DropQueue("gone"); err != nil {
		t.Fatal(err)
	}
	before := q.Stats()
	stop()
	for range 2 { // what one recovery writes must not confuse the next
		j, stop = start(t, o)
		if names := j.Queues(""); !slices.Equal(names, []string{"q"}) {
			t.Fatalf("queues %q", names)
		}
		q = openQueue(t, j, "q", Limits{Bytes: 50})
		if after := q.Stats(); after != before {
			t.Errorf("stats %+v, before the stop %+v", after, before)
		}
		stop()
	}
	j, _ = start(t, o)
	q = openQueue(t, j, "q", Limits{Bytes: 50})
	items := readAll(t, q)
	if got, want := data(items), []string{"00002", "00003", "00007", "00008", "00010", "00011"}; !slices.Equal(got, want) {
		t.Errorf("waiting %q, want %q", got, want)
	}
	if items[0].Gap != 2 {
		t.Errorf("gap %d before the first, want 2: dropped before the stop and never reported", items[0].Gap)
	}
	r := []Record{{Data: []byte("new"), To: []*Queue{q}}}
	j.Append(r...)
	if r[0].Seq <= seqs[11] {
		t.Errorf("Seq %d after %d: used twice", r[0].Seq, seqs[11])
	}
}

// Records of an age are dropped, counted, and reported as a gap.
func TestAge(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j, stop := start(t, Options{Dir: dir, SegmentSize: 64 << 10})
		defer stop()
		for _, memory := range []bool{false, true} {
			q := openQueue(t, j, fmt.Sprint("q", memory), Limits{Age: time.Hour, Memory: memory})
			for i := range 10 {
				j.Append(Record{Data: fmt.Append(nil, i), To: []*Queue{q}})
				time.Sleep(10 * time.Minute)
			}
			time.Sleep(2 * time.Second) // Run looks every second
			items := readAll(t, q)
			if got := data(items); !slices.Equal(got, []string{"5", "6", "7", "8", "9"}) || items[0].Gap != 5 {
				t.Errorf("memory %v: %q wait, gap %d", memory, got, items[0].Gap)
			}
			if s := q.Stats(); s.DroppedAge != 5 || time.Since(s.Oldest) > time.Hour {
				t.Errorf("memory %v: %+v", memory, s)
			}
		}
	})
}

// A queue whose limits say memory now keeps what waits, and the other way round.
func TestQueueMovesBetweenDiskAndMemory(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentSize: 64 << 10}
	j, stop := start(t, o)
	q := openQueue(t, j, "q", Limits{})
	other := openQueue(t, j, "other", Limits{})
	want := []string{"0", "1", "2"}
	for _, s := range want {
		j.Append(Record{Data: []byte(s), To: []*Queue{q, other}})
	}
	for i, lim := range []Limits{{Memory: true}, {}, {Memory: true}, {}} {
		q = openQueue(t, j, "q", lim)
		if got := data(readAll(t, q)); !slices.Equal(got, want) {
			t.Fatalf("move %d: %q wait, want %q", i, got, want)
		}
	}
	stop()
	j, _ = start(t, o)
	for _, name := range []string{"q", "other"} {
		if got := data(readAll(t, openQueue(t, j, name, Limits{}))); !slices.Equal(got, want) {
			t.Errorf("%s after the restart: %q, want %q", name, got, want)
		}
	}
}

func TestMemoryQueueIsGoneAfterRestart(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentSize: 64 << 10}
	j, stop := start(t, o)
	q := openQueue(t, j, "q", Limits{Memory: true})
	j.Append(Record{Data: []byte("x"), To: []*Queue{q}})
	stop()
	j, _ = start(t, o)
	if names := j.Queues(""); len(names) > 0 {
		t.Errorf("queues %q after the restart", names)
	}
}

// Two readers of one queue, one at its end and one at its beginning, acknowledge as
// they go; in the end everything was read once.
func TestLiveAndBacklogReaders(t *testing.T) {
	j, _ := start(t, Options{Dir: t.TempDir(), SegmentSize: 64 << 10})
	q := openQueue(t, j, "q", Limits{})
	n := 0
	add := func(k int) {
		for range k {
			j.Append(Record{Data: fmt.Append(nil, n), To: []*Queue{q}})
			n++
		}
	}
	add(500)
	live, end := q.Last(), q.Last()
	backlog := Seq(0)
	seen := map[string]int{}
	read := func(after Seq, to Seq) Seq {
		items, err := q.Read(after, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Seq > to {
				break
			}
			seen[string(it.Data)]++
			q.Ack(it.Seq)
			after = it.Seq
		}
		return after
	}
	for range 200 {
		add(3)
		live = read(live, 1<<62)
		backlog = read(backlog, end)
		if len(q.past) > 2 {
			t.Fatalf("positions of two readers take %d spans", len(q.past))
		}
	}
	if s := q.Stats(); s.Waiting != 0 || len(seen) != n {
		t.Errorf("%d seen of %d, %d wait", len(seen), n, s.Waiting)
	}
	for k, times := range seen {
		if times != 1 {
			t.Errorf("%s was read %d times", k, times)
		}
	}
}

// Random acknowledgements and drops against a plain list.
func TestQueueAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	j, _ := start(t, Options{Dir: t.TempDir(), SegmentSize: 64 << 10, Commit: time.Millisecond})
	q := openQueue(t, j, "q", Limits{Bytes: 2000})
	var model []Seq
	dropped := uint64(0)
	for step := range 20000 {
		switch {
		case rnd.IntN(3) > 0:
			r := []Record{{Data: make([]byte, 20), To: []*Queue{q}}}
			j.Append(r...)
			model = append(model, r[0].Seq)
			for len(model)*20 > 2000 {
				model = model[1:]
				dropped++
			}
		case len(model) > 0:
			i := rnd.IntN(len(model))
			q.Ack(model[i])
			model = slices.Delete(model, i, i+1)
		}
		if step%100 == 0 {
			var got []Seq
			for _, it := range readAll(t, q) {
				got = append(got, it.Seq)
			}
			if !slices.Equal(got, model) {
				t.Fatalf("step %d: %d wait, want %d", step, len(got), len(model))
			}
		}
	}
	if s := q.Stats(); s.DroppedFull != dropped || s.Waiting != uint64(len(model)) {
		t.Errorf("%+v, want %d dropped and %d waiting", s, dropped, len(model))
	}
}

// The path from Append over the commit to Ack allocates nothing per record.
func TestAppendAllocatesNothing(t *testing.T) {
	j, _ := start(t, Options{Dir: t.TempDir()})
	q := openQueue(t, j, "q", Limits{Bytes: 1 << 20})
	recs := make([]Record, 64)
	payload, to := make([]byte, 100), []*Queue{q}
	var w counter
	n := testing.AllocsPerRun(500, func() {
		for i := range recs {
			recs[i] = Record{Data: payload, To: to, Class: Event, Waiter: &w}
		}
		j.Append(recs...)
		for i := range recs {
			q.Ack(recs[i].Seq)
		}
	})
	if perRecord := n / float64(len(recs)); perRecord > 0.1 {
		t.Errorf("%.2f allocations for each record", perRecord)
	}
}

// A start that finds the disk full cannot reserve the ids that it hands out. One that it gave to a queue that is gone is
// given to no other after the next start: the end of the first would be the end of the second, with all that waits in it.
func TestIDOfAQueueThatIsGoneIsNotUsedAgain(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 12 << 10, Size: 1 << 20, FreeFloor: -1}
	j := reopen(t, o)
	j.nextID += 1 << 10 // what is reserved is used up
	openQueue(t, j, "q", Limits{})
	j.DropQueue("q")
	commit(t, j)
	j.closeFiles()
	fs.Locked = false

	j = reopen(t, o)
	q := openQueue(t, j, "q", Limits{})
	j.Append(Record{Data: damageData(1), To: []*Queue{q}})
	commit(t, j)
	j.closeFiles()
	fs.Locked = false

	j = reopen(t, o)
	defer j.closeFiles()
	if n := len(readAll(t, openQueue(t, j, "q", Limits{}))); n != 1 {
		t.Errorf("%d records wait, want 1", n)
	}
}
