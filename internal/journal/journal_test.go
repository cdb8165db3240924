package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// start opens a journal and runs it until the test, or the given stop, ends.
func start(t testing.TB, o Options) (*Journal, func()) {
	t.Helper()
	if o.FreeFloor == 0 {
		o.FreeFloor = -1
	}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return j, stop
}

// waits collects what a Waiter hears.
type waits struct {
	mu     sync.Mutex
	tokens []uint64
	errs   []error
	more   chan struct{}
}

func newWaits() *waits { return &waits{more: make(chan struct{}, 1<<20)} }

func (w *waits) Committed(token uint64, err error) {
	w.mu.Lock()
	w.tokens, w.errs = append(w.tokens, token), append(w.errs, err)
	w.mu.Unlock()
	w.more <- struct{}{}
}

func (w *waits) next(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case <-w.more:
		case <-time.After(10 * time.Second):
			t.Fatal("no word of the commit after 10 s")
		}
	}
}

func openQueue(t testing.TB, j *Journal, name string, lim Limits) *Queue {
	t.Helper()
	q, err := j.OpenQueue(name, lim)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func readAll(t testing.TB, q *Queue) (items []Item) {
	t.Helper()
	for after := Seq(0); ; {
		got, err := q.Read(after, 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return items
		}
		items = append(items, got...)
		after = got[len(got)-1].Seq
	}
}

func payload(i int) []byte { return fmt.Appendf(nil, "record %d %0*d", i, i%300, 0) }

func TestCommittedRecordsSurviveReopen(t *testing.T) {
	dir := t.TempDir()
	w := newWaits()
	j, stop := start(t, Options{Dir: dir, SegmentSize: 64 << 10})
	q := openQueue(t, j, "bridge/cloud", Limits{})
	other := openQueue(t, j, "session/x", Limits{})
	const n = 2000
	for i := range n {
		to := []*Queue{q}
		if i%3 == 0 {
			to = append(to, other)
		}
		j.Append(Record{Data: payload(i), To: to, Class: Event, Waiter: w, Token: uint64(i)})
	}
	w.next(t, n)
	for i, tok := range w.tokens {
		if tok != uint64(i) || w.errs[i] != nil {
			t.Fatalf("word %d: token %d, err %v: want in order of the appends and no error", i, tok, w.errs[i])
		}
	}
	for _, it := range readAll(t, q)[:500] {
		q.Ack(it.Seq)
	}
	stop()

	j, _ = start(t, Options{Dir: dir, SegmentSize: 64 << 10})
	q = openQueue(t, j, "bridge/cloud", Limits{})
	items := readAll(t, q)
	if len(items) != n-500 {
		t.Fatalf("%d records wait after the reopening, want %d", len(items), n-500)
	}
	for i, it := range items {
		if string(it.Data) != string(payload(i+500)) {
			t.Fatalf("record %d is %q", i, it.Data)
		}
	}
	if got := len(readAll(t, openQueue(t, j, "session/x", Limits{}))); got != (n+2)/3 {
		t.Errorf("%d records wait for the session, want %d", got, (n+2)/3)
	}
	if s := j.Stats(); s.Damaged != 0 || s.TornBytes != 0 {
		t.Errorf("damage reported after a clean stop: %+v", s)
	}
}

func TestAcknowledgedWithinWindowIsNeverWritten(t *testing.T) {
	w := newWaits()
	j, stop := start(t, Options{Dir: t.TempDir(), Commit: time.Hour})
	q := openQueue(t, j, "q", Limits{})
	before := j.Stats().BytesWritten
	for i := range 1000 {
		j.Append(Record{Data: payload(i), To: []*Queue{q}, Class: Telemetry, Waiter: w, Token: uint64(i)})
		items, err := q.Read(0, 10, nil)
		if err != nil || len(items) != 1 {
			t.Fatalf("read %d, %v", len(items), err)
		}
		q.Ack(items[0].Seq)
		w.next(t, 1)
	}
	stop()
	// The definition of the queue and the closing frame are all there is to write.
	if got := j.Stats().BytesWritten - before; got > 1024 {
		t.Errorf("%d bytes written for records that were acknowledged before their commit", got)
	}
}

// A card is not worn by what is written once: the zeroes of a new file are counted apart.
func TestMakingAFileIsNoMeasureOfADay(t *testing.T) {
	j, stop := start(t, Options{Dir: t.TempDir(), SegmentSize: 1 << 20})
	q := openQueue(t, j, "q", Limits{})
	w := newWaits()
	j.Append(Record{Data: payload(1), To: []*Queue{q}, Waiter: w, Token: 1})
	w.next(t, 1)
	s := j.Stats()
	if used := s.BytesWritten - s.BytesPrepared; s.BytesPrepared < 1<<19 || used == 0 || used > 64<<10 {
		t.Errorf("of %d bytes %d were for new files: %d are left for one record", s.BytesWritten, s.BytesPrepared, used)
	}
	stop()
}

func TestSegmentsAreReused(t *testing.T) {
	dir := t.TempDir()
	w := newWaits()
	j, _ := start(t, Options{Dir: dir, SegmentSize: 64 << 10})
	q := openQueue(t, j, "q", Limits{})
	for i := range 20000 {
		rec := []Record{{Data: payload(i), To: []*Queue{q}, Class: Event, Waiter: w}}
		j.Append(rec...)
		if i%100 == 99 {
			w.next(t, 100)
			for _, it := range readAll(t, q) {
				q.Ack(it.Seq)
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	if len(files) > 8 {
		t.Errorf("%d files for a queue that was always drained", len(files))
	}
	for _, f := range files {
		if st, _ := os.Stat(f); st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f, st.Mode())
		}
	}
}

func TestEntriesSurviveAndStayGone(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, SegmentSize: 64 << 10}
	j, stop := start(t, o)
	w := newWaits()
	for round := range 50 {
		for k := range 100 {
			j.Put(fmt.Sprintf("retained/%d", k), payload(round*100+k), Event, w, 0)
		}
		w.next(t, 100)
	}
	for k := range 50 {
		j.Delete(fmt.Sprintf("retained/%d", k), Event)
	}
	stop()
	for range 3 {
		j, stop = start(t, o)
		if got := len(j.Keys("retained/")); got != 50 {
			t.Fatalf("%d entries, want 50", got)
		}
		for k := 50; k < 100; k++ {
			v, ok := j.Get(fmt.Sprintf("retained/%d", k))
			if !ok || string(v) != string(payload(49*100+k)) {
				t.Fatalf("entry %d: %v %q", k, ok, v)
			}
		}
		stop()
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.seg")); len(files) > 8 {
		t.Errorf("%d files for 100 values", len(files))
	}
}

func TestLimits(t *testing.T) {
	for _, memory := range []bool{false, true} {
		j, _ := start(t, Options{Dir: t.TempDir()})
		name := fmt.Sprintf("memory %v", memory)
		oldest := openQueue(t, j, "oldest", Limits{Bytes: 100, Memory: memory})
		newest := openQueue(t, j, "newest", Limits{Bytes: 100, Full: DropNewest, Memory: memory})
		refuse := openQueue(t, j, "refuse", Limits{Bytes: 100, Full: Refuse, Memory: memory})
		w := newWaits()
		for i := range 20 {
			j.Append(Record{Data: []byte(fmt.Sprintf("%010d", i)), To: []*Queue{oldest, newest}})
			failed := j.Append(Record{Data: make([]byte, 10), To: []*Queue{refuse}, Waiter: w, Class: Event})
			if want := i >= 10; (failed == 1) != want {
				t.Errorf("%s: append %d to the refusing queue: failed %d", name, i, failed)
			}
		}
		w.next(t, 20)
		for i, err := range w.errs {
			if errors.Is(err, ErrFull) != (i >= 10) {
				t.Errorf("%s: waiter %d heard %v", name, i, err)
			}
		}
		items := readAll(t, oldest)
		if len(items) != 10 || string(items[0].Data) != "0000000010" || items[0].Gap != 10 {
			t.Errorf("%s: drop-oldest keeps %d, first %+v", name, len(items), items[0])
		}
		items = readAll(t, newest)
		if len(items) != 10 || string(items[0].Data) != "0000000000" {
			t.Errorf("%s: drop-newest keeps %d", name, len(items))
		}
		newest.Ack(items[0].Seq)
		j.Append(Record{Data: []byte("0000000020"), To: []*Queue{newest}})
		items = readAll(t, newest)
		if last := items[len(items)-1]; last.Gap != 10 {
			t.Errorf("%s: the gap before %s is %d, want 10", name, last.Data, last.Gap)
		}
		if s := newest.Stats(); s.DroppedFull != 10 || s.Waiting != 10 || s.WaitingBytes != 100 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, Options{Dir: dir})
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
}
