package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/disk"
)

// Options of a Store. The zero value of each field is its default.
type Options struct {
	Dir string // "" keeps everything in memory, within Memory

	// Raw, Minutes and Quarters are how long the tiers are kept: 48 h, 14 d and 400 d by
	// default, an hour and a day at least.
	Raw      time.Duration `toml:"raw" doc:"How long every single value is kept."`
	Minutes  time.Duration `toml:"minutes" doc:"How long minimum, mean, maximum and last value of every minute are kept."`
	Quarters time.Duration `toml:"quarters" doc:"The same for every quarter of an hour."`

	// Size is bytes on the disk, 8 MiB at least; default 64 MiB.
	Size int64 `toml:"size" quantity:"size" doc:"How much the history may take on the disk; beyond it the oldest single values give way first, then minutes, then quarters."`
	// Memory is bytes in memory, 1 MiB at least; default 8 MiB.
	Memory int64 `toml:"memory" quantity:"size" doc:"How much may wait in memory for the disk; with data = \"\" it is the whole history."`
	// Flush is how long values wait in memory: a minute at least; default 10 minutes.
	Flush time.Duration `toml:"flush" doc:"How long values wait in memory, and how much of them a power cut may cost; a shorter time wears the card more."`

	Log *slog.Logger

	// Synced reports whether the wall clock is set. Until it is, values are kept on the
	// monotonic clock and moved when it is set. nil: it always is.
	Synced func() bool
	// FS is the file system; nil: the real one.
	FS disk.FS
}

const (
	defaultSize   = 64 << 20
	defaultMemory = 8 << 20
	// LeastSize and LeastMemory are the smallest bounds that a Store can keep.
	LeastSize, LeastMemory = 8 << 20, 1 << 20

	segmentSize    = 1 << 20
	memorySegment  = 128 << 10
	rollMinutes    = 2 * time.Hour  // raw frames become one frame of minutes
	rollQuarters   = 24 * time.Hour // frames of minutes become one of quarters
	unsetMax       = 24 * time.Hour // how long a clock that is not set holds rolling up
	minSegments    = 6
	seriesOverhead = 400 // bytes, beside the points
)

// Defaults are the options of a store whose configuration says nothing.
func Defaults() Options { return Options{}.withDefaults() }

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v, least time.Duration) {
		if *d == 0 {
			*d = v
		}
		*d = max(*d, least)
	}
	set(&o.Raw, 48*time.Hour, time.Hour)
	set(&o.Minutes, 14*24*time.Hour, 24*time.Hour)
	set(&o.Quarters, 400*24*time.Hour, 24*time.Hour)
	set(&o.Flush, 10*time.Minute, time.Minute)
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	o.Size, o.Memory = max(o.Size, LeastSize), max(o.Memory, LeastMemory)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Synced == nil {
		o.Synced = func() bool { return true }
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	return o
}

// Value is what a series holds at one time: a finite number, or a state. Booleans are
// the states "true" and "false".
type Value struct {
	Number float64
	State  string
}

// Store is one history. Make it with Open; Run keeps it going.
type Store struct {
	o      Options
	log    *slog.Logger
	fs     disk.FS
	wrote  atomic.Uint64 // bytes, to the files
	dir    string
	lock   io.Closer
	memory bool          // nothing is on a disk
	wake   chan struct{} // the open block is full

	mu      sync.Mutex // guards what follows
	open    *block     // takes values
	pending *block     // is being written, as the raw frames of number
	number  uint64
	states  map[string]string
	clock   clock
	lost    uint64 // points that gave way in memory
	damaged uint64 // chunks that could not be read
	problem error  // why nothing is written; nil while all is well

	disk files // its own lock; locked after mu where both are
}

// Open reads the store in o.Dir or makes one. An error means that the directory cannot
// be used at all: it cannot be made, another process has it, or a newer version wrote it.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{o: o, log: o.Log, fs: o.FS, dir: o.Dir, open: newBlock(), states: map[string]string{}, wake: make(chan struct{}, 1)}
	s.clock.start(time.Now(), o.Synced())
	s.fs = writtenFS{s.fs, &s.wrote}
	size, count := int64(segmentSize), int(o.Size/segmentSize)
	if o.Dir == "" {
		s.memory, s.fs, s.dir = true, newMemoryFS(), "memory"
		size, count = memorySegment, int(o.Memory*3/4/memorySegment)
	}
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return nil, fmt.Errorf("history: make %s: %w", s.dir, err)
	}
	lock, err := s.fs.Lock(filepath.Join(s.dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	s.lock = lock
	s.disk = files{fs: s.fs, dir: s.dir, segmentSize: size, max: max(count, minSegments)}
	if err := s.disk.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("history: %w", err), s.close())
	}
	return s, nil
}

// Abandon closes the files and writes nothing any more: for a store that panicked, of
// which nobody knows what is in its memory.
func (s *Store) Abandon() error { return s.close() }

func (s *Store) close() error { return errors.Join(s.disk.close(), s.lock.Close()) }

// Run writes what comes, until ctx ends; then the rest, and closes the store. An error
// is one of closing: a disk that fails does not end Run, it is in Stats.
func (s *Store) Run(ctx context.Context) error {
	flush := time.NewTicker(s.o.Flush)
	defer flush.Stop()
	look := time.NewTicker(10 * time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			s.flush()
			return s.close()
		case <-flush.C:
			s.flush()
			s.roll(time.Now())
		case <-s.wake:
			s.flush()
			s.roll(time.Now())
		case <-look.C:
			s.lookAtClock(time.Now())
		}
	}
}

// Add keeps one value of a series, "device/channel", at the time t. It never waits for
// the disk. A number that is not finite is not kept. Of a state that did not change only
// the first is kept.
func (s *Store) Add(series string, kind Kind, t time.Time, v Value) {
	if kind != State && (math.IsNaN(v.Number) || math.IsInf(v.Number, 0)) || len(series) > 1<<10 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == State {
		if last, known := s.states[series]; known && last == v.State {
			return
		}
		s.remember(series, v.State)
	}
	s.open.add(series, kind, s.clock.stamp(t), v)
	if limit := s.o.Memory / 4; s.open.bytes > limit {
		select {
		case s.wake <- struct{}{}:
		default:
		}
		if s.open.bytes > 2*limit {
			s.lost += s.open.dropOldest(limit)
		}
	}
}

// remember keeps the state of a series, so that repetitions are not written. What is
// forgotten when there are too many costs a repetition.
func (s *Store) remember(series, state string) {
	if len(s.states) >= 4096 {
		clear(s.states)
	}
	s.states[series] = state
}

// flush writes the open block as one frame or more, with one sync.
func (s *Store) flush() {
	s.lookAtClock(time.Now())
	s.mu.Lock()
	if s.open.empty() {
		s.mu.Unlock()
		return
	}
	p := s.open
	s.pending, s.open, s.number = p, newBlock(), s.disk.number[raw]+1
	run, set := s.clock.run, s.clock.set
	s.mu.Unlock()

	frames, bodies := buildFrames(p.chunks())
	for _, f := range frames {
		f.run, f.set = run, set
	}
	err := s.disk.write(raw, frames, bodies)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.report(err)
	if err == nil {
		s.pending = nil
		return
	}
	// The disk does not take it: together again, within the bound of memory.
	p.join(s.open)
	s.open, s.pending = p, nil
	if limit := s.o.Memory / 2; p.bytes > limit {
		s.lost += p.dropOldest(limit)
	}
}

// inMemory calls the functions for the values of a series that are not on the disk, and
// returns the number of the raw frames that may hold some of them too.
func (s *Store) inMemory(series string, point func(Kind, Point), change func(Change)) (number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		number = s.number
		s.pending.each(series, point, change)
	}
	s.open.each(series, point, change)
	return number
}

// report logs the first of a row of failures, and the end of it. Called with the lock.
func (s *Store) report(err error) {
	if err == nil && s.problem != nil {
		s.log.Info("history is written again", "lost", s.lost)
	}
	if err != nil && s.problem == nil {
		s.log.Warn("history is not written; values stay in memory", "err", err)
	}
	s.problem = err
}
