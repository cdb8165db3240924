package history

import (
	"maps"
	"slices"
	"time"
)

// Stats is what a store knows of itself at one moment.
type Stats struct {
	Series      int       // with values in memory
	MemoryBytes int64     // of values that wait for the disk
	DiskBytes   int64     // of all segments
	DiskLimit   int64     // Options.Size
	MemoryLimit int64     // Options.Memory
	Written     uint64    // bytes to the files since Open; 0 in memory
	Oldest      [3]Reach  // raw, minutes, quarters
	Lost        uint64    // values that gave way in memory
	Damaged     uint64    // chunks that could not be read when they were rolled up
	Problem     error     // why nothing is written now; nil: all is well
	ClockWaits  bool      // values are kept until the clock is set
	Now         time.Time // when this was
}

// Reach is how far back a tier goes.
type Reach struct {
	Tier string    // "raw", "minutes", "quarters"
	From time.Time // zero: it has nothing yet
	Size int64     // bytes of its segments
}

// Stats returns the store's numbers.
func (s *Store) Stats() Stats {
	now := time.Now()
	s.mu.Lock()
	st := Stats{
		Series: len(s.open.series), MemoryBytes: s.open.bytes, DiskLimit: int64(s.disk.max) * s.disk.segmentSize,
		MemoryLimit: s.o.Memory, Written: s.wrote.Load(),
		Lost: s.lost, Damaged: s.damaged, Problem: s.problem, ClockWaits: !s.clock.set, Now: now,
	}
	if s.pending != nil {
		st.MemoryBytes += s.pending.bytes
	}
	s.mu.Unlock()
	d := &s.disk
	d.mu.RLock()
	defer d.mu.RUnlock()
	for t := range tiers {
		r := Reach{Tier: t.String()}
		for _, seg := range d.ofTier(t) {
			r.Size += seg.size
			for _, f := range seg.frames {
				if from := time.UnixMilli(f.from); r.From.IsZero() || from.Before(r.From) {
					r.From = from
				}
			}
		}
		st.Oldest[t] = r
	}
	for _, seg := range d.segments {
		st.DiskBytes += seg.size
	}
	return st
}

// Names returns the names of all series, sorted.
func (s *Store) Names() []string {
	names := map[string]bool{}
	s.mu.Lock()
	for _, b := range []*block{s.open, s.pending} {
		if b == nil {
			continue
		}
		for name := range b.series {
			names[name] = true
		}
	}
	s.mu.Unlock()
	d := &s.disk
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, seg := range d.segments {
		for _, f := range seg.frames {
			_ = f.directory(func(name []byte, _ entry) bool {
				if !names[string(name)] {
					names[string(name)] = true
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(names))
}
