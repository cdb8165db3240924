package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"sensorgate/internal/disk"
)

// Summary is what a store has at one moment, for tools; also as JSON.
type Summary struct {
	InUse    bool   // a gateway has it open: from outside the newest records may be missing or look torn
	Error    string `json:",omitempty"` // Stats.Failed
	Stats    Stats
	Segments []SegmentStats
	Queues   []QueueStats
}

// Snapshot is a store as it stood when it was looked at from outside. Nothing of it was
// changed: recovery ran, and what it would have written was thrown away.
type Snapshot struct {
	Summary
	j *Journal
}

// SegmentStats is one file of a store.
type SegmentStats struct {
	File   string
	Size   int64
	Used   bool   // false: spare
	First  uint64 // number of the first frame
	Live   int    // records and entries that are still wanted
	Active bool   // the newest, which is written to
}

// Inspect reads the store in dir without changing it.
func Inspect(dir string) (*Snapshot, error) {
	fs := &readOnlyFS{}
	j, err := Open(Options{Dir: dir, FreeFloor: -1, FS: fs})
	if errors.Is(err, errNothing) {
		return nil, fmt.Errorf("journal %s: no segments here (is this the data directory of the configuration?)", dir)
	}
	if err != nil {
		return nil, err
	}
	s := &Snapshot{j.Summary(), j}
	s.InUse = fs.inUse
	return s, nil
}

// Summary looks at a journal that is open, and does not hold it up.
func (j *Journal) Summary() Summary {
	s := Summary{InUse: true, Stats: j.Stats(), Segments: []SegmentStats{}, Queues: []QueueStats{}}
	if f := s.Stats.Failed; f != nil {
		s.Error = f.Error()
	}
	j.mu.Lock()
	var newest uint64
	for _, sl := range j.slots {
		if sl != nil && sl.used {
			newest = max(newest, sl.segno)
		}
	}
	for _, sl := range j.slots {
		if sl != nil {
			s.Segments = append(s.Segments, SegmentStats{slotName(sl.no), sl.size, sl.used, sl.firstLSN, sl.live, sl.used && sl.segno == newest})
		}
	}
	var queues []*Queue
	for _, name := range keysWithPrefix(j.queues, "") {
		queues = append(queues, j.queues[name])
	}
	j.mu.Unlock()
	for _, q := range queues {
		s.Queues = append(s.Queues, q.Stats())
	}
	return s
}

// Close closes the files.
func (s *Snapshot) Close() { s.j.closeFiles() }

// Records calls each with what waits in a queue, in order, until it returns an error.
func (s *Snapshot) Records(queue string, each func(Item) error) error {
	s.j.mu.Lock()
	q := s.j.queues[queue]
	s.j.mu.Unlock()
	if q == nil {
		return fmt.Errorf("no queue %q (have %q)", queue, s.j.Queues(""))
	}
	var items []Item
	for after := Seq(0); ; {
		var err error
		if items, err = q.Read(after, 256, items[:0]); err != nil || len(items) == 0 {
			return err
		}
		for _, it := range items {
			after = it.Seq
			if err := each(it); err != nil {
				return err
			}
		}
	}
}

// Entries calls each with the keys that begin with prefix and their values, sorted.
func (s *Snapshot) Entries(prefix string, each func(key string, value []byte) error) error {
	for _, key := range s.j.Keys(prefix) {
		if value, ok := s.j.Get(key); ok {
			if err := each(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadAll reads everything that is wanted and returns how much of it cannot be read.
func (s *Snapshot) ReadAll() (records, damaged uint64, err error) {
	for _, q := range s.Queues {
		err := s.Records(q.Name, func(Item) error { records++; return nil })
		if err != nil {
			return records, 0, err
		}
	}
	if err := s.Entries("", func(string, []byte) error { records++; return nil }); err != nil {
		return records, 0, err
	}
	return records, s.j.Stats().Damaged, nil
}

// errNothing ends the making of a new store where only looking is allowed.
var errNothing = errors.New("nothing there")

// readOnlyFS is the real file system, but what is written goes nowhere.
type readOnlyFS struct {
	disk.OS
	inUse bool
}

func (*readOnlyFS) MkdirAll(string) error       { return nil }
func (*readOnlyFS) Rename(string, string) error { return nil }
func (*readOnlyFS) Remove(string) error         { return nil }
func (*readOnlyFS) SyncDir(string) error        { return nil }

func (r *readOnlyFS) Lock(name string) (io.Closer, error) {
	r.inUse = disk.IsLocked(name)
	return io.NopCloser(nil), nil
}

func (*readOnlyFS) OpenFile(name string, flag int) (disk.File, error) {
	if flag&os.O_CREATE != 0 {
		return nil, errNothing
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return readOnlyFile{disk.OSFile{File: f}}, nil
}

type readOnlyFile struct{ disk.OSFile }

func (readOnlyFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (readOnlyFile) Sync() error                            { return nil }

// Bench measures the store's file system as the journal uses it: how long one record
// at a time takes until it is on disk, for the given time in a store of its own in
// dir, which is removed afterwards.
func Bench(dir string, size int, span time.Duration) (syncs []time.Duration, err error) {
	sub, err := os.MkdirTemp(dir, ".journal-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(sub)) }()
	j, err := Open(Options{Dir: sub, Size: 64 << 20})
	if err != nil {
		return nil, err
	}
	defer j.closeFiles()
	q, err := j.OpenQueue("bench", Limits{Bytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	for begin := time.Now(); time.Since(begin) < span; {
		start := time.Now()
		j.Append(Record{Data: slices.Clone(data), To: []*Queue{q}, Class: Event})
		if err := j.commit(); err != nil {
			return syncs, err
		}
		syncs = append(syncs, time.Since(start))
	}
	return syncs, nil
}
