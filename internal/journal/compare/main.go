// Command compare measures the journal against bbolt in one run: records of 256
// bytes, a file system of its own if possible, so that the block device's counter
// counts nothing else. It is a module of its own: bbolt is not a dependency of the
// gateway. docs/journal-format.md has the command and the figures.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"sensorgate/internal/journal"
)

const recordSize = 256

// result is one line of output.
type result struct {
	Engine       string  `json:"engine"`
	Mode         string  `json:"mode"`
	Records      int64   `json:"records"`
	PerSecond    float64 `json:"per_second"`
	DeviceBytes  float64 `json:"device_bytes_per_record"`
	WrittenBytes float64 `json:"written_bytes_per_record,omitempty"`
}

// engine takes records; every one is durable when its callback runs.
type engine interface {
	append(done func())
	written() uint64
	close() error
}

func main() {
	dir := flag.String("dir", "", "directory on the file system to measure")
	span := flag.Duration("time", 5*time.Second, "for each measurement")
	paced := flag.Duration("paced", 60*time.Second, "for the measurement at 10 records a second; 0: leave out")
	flag.Parse()
	if err := run(*dir, *span, *paced); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(dir string, span, paced time.Duration) error {
	out := json.NewEncoder(os.Stdout)
	for _, mode := range []struct {
		name    string
		engines []string
		measure func(engine, time.Duration) int64
		span    time.Duration
	}{
		{"synced each", []string{"journal", "bbolt"}, syncedEach, span},
		{"group commit 1 ms", []string{"journal", "bbolt"}, grouped, span},
		{"10 a second, 1 s window", []string{"journal-telemetry", "bbolt-1s"}, tenPerSecond, paced},
		{"10 a second, acknowledged within the window", []string{"journal-acked"}, tenPerSecond, paced},
	} {
		if mode.span == 0 {
			continue
		}
		for _, name := range mode.engines {
			r, err := measure(dir, name, mode.measure, mode.span)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			r.Mode = mode.name
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func measure(dir, name string, f func(engine, time.Duration) int64, span time.Duration) (result, error) {
	sub, err := os.MkdirTemp(dir, "compare-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(sub)
	e, err := open(name, sub)
	if err != nil {
		return result{}, err
	}
	// Files are made and segments filled once before the measurement.
	if f(e, min(span/5, 2*time.Second)); !strings.Contains(name, "-") {
		grouped(e, time.Second)
	}
	syscall.Sync()
	before, written, start := deviceBytes(dir), e.written(), time.Now()
	n := f(e, span)
	took := time.Since(start)
	syscall.Sync() // what the file system still has to say belongs to it
	after := deviceBytes(dir)
	r := result{Engine: name, Records: n, PerSecond: float64(n) / took.Seconds(), DeviceBytes: float64(after-before) / float64(n),
		WrittenBytes: float64(e.written()-written) / float64(n)}
	return r, e.close()
}

func syncedEach(e engine, span time.Duration) (n int64) {
	done := make(chan struct{}, 1)
	for start := time.Now(); time.Since(start) < span; n++ {
		e.append(func() { done <- struct{}{} })
		<-done
	}
	return n
}

// grouped keeps 100,000 records in flight at most and lets the engine group them.
func grouped(e engine, span time.Duration) int64 {
	var sent, durable atomic.Int64
	for start := time.Now(); time.Since(start) < span; {
		for range 64 {
			e.append(func() { durable.Add(1) })
			sent.Add(1)
		}
		for sent.Load()-durable.Load() > 100_000 {
			time.Sleep(50 * time.Microsecond)
		}
	}
	for durable.Load() < sent.Load() {
		time.Sleep(50 * time.Microsecond)
	}
	return sent.Load()
}

func tenPerSecond(e engine, span time.Duration) (n int64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var durable sync.WaitGroup
	for start := time.Now(); time.Since(start) < span; n++ {
		durable.Add(1)
		e.append(durable.Done)
		<-tick.C
	}
	durable.Wait()
	return n
}

func open(name, dir string) (engine, error) {
	switch name {
	case "bbolt", "bbolt-1s":
		window := time.Millisecond
		if name == "bbolt-1s" {
			window = time.Second
		}
		return openBolt(dir, window)
	}
	return openJournal(dir, name)
}

// journalEngine consumes as it goes: what is durable is acknowledged, as by an
// upstream.
type journalEngine struct {
	j      *journal.Journal
	q      *journal.Queue
	class  journal.CommitClass
	acked  bool // at once, within the window
	cancel context.CancelFunc
	ended  chan error
	data   []byte
	seqs   []journal.Seq // not acknowledged yet, in order
	taken  int64         // acknowledged
	synced atomic.Int64  // durable
}

func openJournal(dir, name string) (engine, error) {
	j, err := journal.Open(journal.Options{Dir: dir, FreeFloor: -1, Size: 64 << 20})
	if err != nil {
		return nil, err
	}
	q, err := j.OpenQueue("q", journal.Limits{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &journalEngine{j: j, q: q, class: journal.Event, cancel: cancel, ended: make(chan error, 1), data: make([]byte, recordSize)}
	if name != "journal" {
		e.class, e.acked = journal.Telemetry, name == "journal-acked"
	}
	go func() { e.ended <- j.Run(ctx) }()
	return e, nil
}

type waiter func()

func (w waiter) Committed(_ uint64, err error) {
	if err != nil {
		panic(err)
	}
	w()
}

func (e *journalEngine) append(done func()) {
	durable := waiter(func() { e.synced.Add(1); done() })
	r := [1]journal.Record{{Data: e.data, To: []*journal.Queue{e.q}, CommitClass: e.class, Waiter: durable}}
	e.j.Append(r[:]...)
	if e.acked {
		e.q.Ack(r[0].Seq)
		return
	}
	e.seqs = append(e.seqs, r[0].Seq)
	// Only what was written: else the journal would have less to do than bbolt.
	if n := int(e.synced.Load() - e.taken); n >= 1000 {
		e.q.Ack(e.seqs[:n]...)
		e.seqs = append(e.seqs[:0], e.seqs[n:]...)
		e.taken += int64(n)
	}
}

func (e *journalEngine) written() uint64 { return e.j.Stats().BytesWritten }

func (e *journalEngine) close() error {
	e.cancel()
	return <-e.ended
}

// boltEngine is a queue in bbolt: sequence number to record, oldest removed, one
// transaction for all that came within the window.
type boltEngine struct {
	db     *bolt.DB
	window time.Duration
	in     chan func()
	ended  chan error
	seq    uint64
}

var bucket = []byte("q")

func openBolt(dir string, window time.Duration) (engine, error) {
	db, err := bolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucketIfNotExists(bucket); return err }); err != nil {
		return nil, err
	}
	e := &boltEngine{db: db, window: window, in: make(chan func(), 100_000), ended: make(chan error, 1)}
	go func() { e.ended <- e.loop() }()
	return e, nil
}

func (e *boltEngine) append(done func()) { e.in <- done }
func (e *boltEngine) written() uint64    { return 0 } // it does not count

func (e *boltEngine) close() error {
	close(e.in)
	if err := <-e.ended; err != nil {
		return err
	}
	return e.db.Close()
}

func (e *boltEngine) loop() error {
	data := make([]byte, recordSize)
	for first := range e.in {
		batch := []func(){first}
		if e.window >= time.Second {
			time.Sleep(e.window)
		}
		for more := true; more && len(batch) < 4096; {
			select {
			case f, ok := <-e.in:
				if more = ok; ok {
					batch = append(batch, f)
				}
			default:
				more = false
			}
		}
		err := e.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			for range batch {
				e.seq++
				var key [8]byte
				binary.BigEndian.PutUint64(key[:], e.seq)
				if err := b.Put(key[:], data); err != nil {
					return err
				}
				if e.seq > 10_000 {
					binary.BigEndian.PutUint64(key[:], e.seq-10_000)
					if err := b.Delete(key[:]); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range batch {
			f()
		}
	}
	return nil
}

// deviceBytes is what was written to the block device under dir.
func deviceBytes(dir string) int64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	dev := info.Sys().(*syscall.Stat_t).Dev
	major, minor := dev>>8&0xfff|dev>>32&^0xfff, dev&0xff|dev>>12&^0xff
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", major, minor))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text))
	sectors, _ := strconv.ParseInt(f[6], 10, 64) // Documentation/block/stat.rst
	return sectors * 512
}
