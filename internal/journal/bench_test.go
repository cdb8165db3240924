package journal

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sensorgate/internal/timing"
)

// counter is a Waiter that only counts.
type counter struct{ n, failed atomic.Int64 }

func (c *counter) Committed(_ uint64, err error) {
	if err != nil {
		c.failed.Add(1)
	}
	c.n.Add(1)
}

func (c *counter) wait(tb testing.TB, n int64) {
	for c.n.Load() < n {
		time.Sleep(100 * time.Microsecond)
	}
	if c.failed.Load() > 0 {
		tb.Fatalf("%d appends failed", c.failed.Load())
	}
}

// BenchmarkAppendDurable: read batches of 64 records of 256 bytes, every one
// waited for, consumed as it goes (acknowledged after the commit).
func BenchmarkAppendDurable(b *testing.B) {
	j, _ := start(b, Options{Dir: b.TempDir()})
	q := openQueue(b, j, "q", Limits{})
	data := make([]byte, 256)
	const batch = 64
	recs := make([]Record, batch)
	to := []*Queue{q}
	var w counter
	b.ReportAllocs()
	b.SetBytes(256)
	b.ResetTimer()
	acks := make([]Seq, batch)
	var done [][batch]Seq
	n := 0
	for ; n < b.N; n += batch {
		for i := range recs {
			recs[i] = Record{Data: data, To: to, Class: Event, Waiter: &w}
		}
		j.Append(recs...)
		var seqs [batch]Seq
		for i := range recs {
			seqs[i] = recs[i].Seq
		}
		// Acknowledge what was committed long ago, so that the log is used as a queue.
		if done = append(done, seqs); len(done) > 1024 {
			copy(acks, done[0][:])
			q.Ack(acks...)
			done = done[1:]
		}
	}
	w.wait(b, int64(n))
	b.StopTimer()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(j.Stats().BytesWritten)/float64(n), "written-B/record")
	b.ReportMetric(float64(n)/float64(j.Stats().Syncs), "records/sync")
}

// BenchmarkAppendSynced: one record at a time, each waited for.
func BenchmarkAppendSynced(b *testing.B) {
	j, _ := start(b, Options{Dir: b.TempDir()})
	q := openQueue(b, j, "q", Limits{})
	w := newWaits()
	data := make([]byte, 256)
	b.ResetTimer()
	for range b.N {
		j.Append(Record{Data: data, To: []*Queue{q}, Class: Event, Waiter: w})
		<-w.more
	}
}

// BenchmarkAppendAcknowledgedAtOnce: the upstream acknowledges within the window;
// nothing is written.
func BenchmarkAppendAcknowledgedAtOnce(b *testing.B) {
	j, _ := start(b, Options{Dir: b.TempDir()})
	q := openQueue(b, j, "q", Limits{})
	data := make([]byte, 256)
	recs := make([]Record, 1)
	to := []*Queue{q}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		recs[0] = Record{Data: data, To: to, Class: Telemetry}
		j.Append(recs...)
		q.Ack(recs[0].Seq)
	}
}

// A million records wait: what that costs in memory, how long the reopening and
// the draining take.
func TestMillionQueued(t *testing.T) {
	timing.Judged(t) // and 300 MB of log
	const n = 1_000_000
	dir := t.TempDir()
	o := Options{Dir: dir}
	j, stop := start(t, o)
	q := openQueue(t, j, "q", Limits{})
	before := heap()
	var w counter
	recs := make([]Record, 100)
	for range n / len(recs) {
		for i := range recs {
			recs[i] = Record{Data: make([]byte, 256), To: []*Queue{q}, Class: Event, Waiter: &w}
		}
		j.Append(recs...)
	}
	w.wait(t, n)
	resident := residentKiB(t)
	queued := heap() - before
	stop()

	begin := time.Now()
	j, stop = start(t, o)
	q = openQueue(t, j, "q", Limits{})
	if items, err := q.Read(0, 1, nil); err != nil || len(items) != 1 {
		t.Fatalf("first read: %d, %v", len(items), err)
	}
	reopened := time.Since(begin)

	begin = time.Now()
	var buf []Item
	var seqs []Seq
	drained := 0
	for after := Seq(0); ; {
		var err error
		if buf, err = q.Read(after, 256, buf[:0]); err != nil {
			t.Fatal(err)
		}
		if len(buf) == 0 {
			break
		}
		seqs = seqs[:0]
		for _, it := range buf {
			seqs = append(seqs, it.Seq)
		}
		after = seqs[len(seqs)-1]
		q.Ack(seqs...)
		drained += len(buf)
	}
	took := time.Since(begin)
	t.Logf("a million queued: %d KiB of heap, the process has %d KiB; reopened in %v; drained at %.0f/s", queued>>10, resident, reopened, n/took.Seconds())
	if drained != n {
		t.Errorf("%d records drained", drained)
	}
	if queued > 20<<20 {
		t.Errorf("a million queued records take %d MiB of heap: more than 20 bytes each", queued>>20)
	}
	stop()
	if s := j.Stats(); s.Segments > 2+maxSpare {
		t.Errorf("%d segments are left of a drained queue", s.Segments)
	}
}

// residentKiB is the memory of this process as the kernel counts it.
func residentKiB(t *testing.T) (n int) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fmt.Sscan(rest, &n)
	return n
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
