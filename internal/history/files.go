package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"sensorgate/internal/disk"
)

// files are the segments of a store. Only the goroutine of Run changes them; queries
// read under the lock, so that no segment is used again under their hands.
type files struct {
	fs          disk.FS
	dir         string
	segmentSize int64
	max         int // segments

	mu         sync.RWMutex
	segments   []*segment
	current    [tiers]*segment // takes the tier's next frame
	number     [tiers]uint64   // the last that was tried
	written    [tiers]uint64   // of the newest frame
	covers     [tiers]uint64   // frames of the next finer tier up to here are rolled up
	generation uint64
	next       int // number of the next file
}

// load reads what is there.
func (d *files) load() error {
	nos, err := segmentNumbers(d.fs, d.dir)
	if err != nil {
		return err
	}
	for _, no := range nos {
		s, err := openSegment(d.fs, segmentPath(d.dir, no))
		if err != nil {
			return err
		}
		d.segments = append(d.segments, s)
		d.generation = max(d.generation, s.generation)
		d.next = no + 1
	}
	for t := range tiers {
		d.loadTier(t)
	}
	for t := minutes; t < tiers; t++ {
		// The finer frames may all be gone: their numbers must not come again.
		d.number[t-1] = max(d.number[t-1], d.covers[t])
	}
	return nil
}

// loadTier drops frames that do not count, and finds where to go on.
func (d *files) loadTier(t tier) {
	segs := d.ofTier(t)
	counts := d.counting(t)
	for _, s := range segs {
		s.frames = slices.DeleteFunc(s.frames, func(f *frame) bool { return !counts[f.number] })
		for _, f := range s.frames {
			d.covers[t] = max(d.covers[t], f.covers)
			d.written[t] = max(d.written[t], f.number)
		}
	}
	if len(segs) > 0 {
		d.current[t] = segs[len(segs)-1]
	}
}

// counting returns the numbers that count: their last part is there, and no later frame
// says that they failed.
func (d *files) counting(t tier) map[uint64]bool {
	var last []*frame // parts of their numbers
	for _, f := range d.frames(t) {
		d.number[t] = max(d.number[t], f.number)
		if f.part+1 == f.parts {
			last = append(last, f)
		}
	}
	slices.SortFunc(last, func(a, b *frame) int { return cmp.Compare(b.number, a.number) })
	if len(last) > 0 && !last[0].intact() {
		last = last[1:]
	}
	counts, before := map[uint64]bool{}, uint64(math.MaxUint64)
	for _, f := range last {
		if f.number <= before {
			counts[f.number], before = true, f.before
		}
	}
	return counts
}

// ofTier returns the tier's segments, the oldest first.
func (d *files) ofTier(t tier) (segs []*segment) {
	for _, s := range d.segments {
		if s.tier == t {
			segs = append(segs, s)
		}
	}
	slices.SortFunc(segs, func(a, b *segment) int { return cmp.Compare(a.generation, b.generation) })
	return segs
}

// frames returns the tier's frames, the oldest first. Called with the lock.
func (d *files) frames(t tier) (fs []*frame) {
	for _, s := range d.ofTier(t) {
		fs = append(fs, s.frames...)
	}
	return fs
}

// placed is a frame on its way.
type placed struct {
	f *frame
	s *segment
}

// write puts frames that belong together on the disk. After an error none of them is
// there, and the same values may be written again.
func (d *files) write(t tier, frames []*frame, bodies [][]byte) error {
	d.number[t]++ // also after a failure: a number is used once
	var done []placed
	ends := map[*segment]int64{}
	for i, f := range frames {
		f.number, f.before = d.number[t], d.written[t]
		s, err := d.place(t, f, ends)
		if err != nil {
			return err
		}
		last := i == len(frames)-1
		if last && i > 0 {
			// Its presence says that the others are there.
			if err := syncAll(done); err != nil {
				return err
			}
		}
		if err := s.put(f, bodies[i], ends[s]); err != nil {
			return err
		}
		ends[s] += padded(int64(f.size))
		done = append(done, placed{f, s})
	}
	if err := done[len(done)-1].s.sync(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written[t] = d.number[t]
	for _, p := range done {
		p.s.frames = append(p.s.frames, p.f)
		p.s.end = ends[p.s]
		d.covers[t] = max(d.covers[t], p.f.covers)
	}
	return nil
}

// place finds room for a frame; ends are where the segments end with what is on its way.
func (d *files) place(t tier, f *frame, ends map[*segment]int64) (*segment, error) {
	s := d.current[t]
	if s != nil {
		if _, known := ends[s]; !known {
			ends[s] = s.end
		}
		if ends[s]+int64(f.size) <= s.size {
			return s, nil
		}
	}
	s, err := d.newSegment(t, ends)
	if err != nil {
		return nil, err
	}
	ends[s] = s.end
	return s, nil
}

func syncAll(done []placed) error {
	synced := map[*segment]bool{}
	for _, p := range done {
		if synced[p.s] {
			continue
		}
		synced[p.s] = true
		if err := p.s.sync(); err != nil {
			return err
		}
	}
	return nil
}

// newSegment makes an empty segment the newest of its tier: a spare one, a new file, or
// the oldest that can be spared. busy are not to be touched.
func (d *files) newSegment(t tier, busy map[*segment]int64) (*segment, error) {
	s := d.spare()
	if s == nil && len(d.segments) < d.max && d.spaceLeft() == nil {
		var err error
		if s, err = createSegment(d.fs, d.dir, d.next, d.segmentSize); err != nil {
			return nil, err
		}
		d.next++
		d.mu.Lock()
		d.segments = append(d.segments, s)
		d.mu.Unlock()
	}
	if s == nil {
		if s = d.oldest(busy); s == nil {
			return nil, d.spaceLeft()
		}
	}
	if err := d.use(s, t); err != nil {
		return nil, err
	}
	// The header must be durable before a frame of its generation counts; frames that
	// come to the disk without it are not found.
	if err := s.sync(); err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.current[t], s.tier = nil, emptySegment
		return nil, err
	}
	return s, nil
}

// use makes s the segment that takes the tier's next frame; what was in it is gone.
func (d *files) use(s *segment, t tier) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.generation++
	if err := s.begin(t, d.generation); err != nil {
		return err
	}
	d.current[t] = s
	return nil
}

func (d *files) spare() *segment {
	for _, s := range d.segments {
		if s.tier == emptySegment {
			return s
		}
	}
	return nil
}

// oldest is the segment that gives way: of raw, then minutes, then quarters. The newest
// of a tier never does.
func (d *files) oldest(busy map[*segment]int64) *segment {
	for t := range tiers {
		for _, s := range d.ofTier(t) {
			if _, is := busy[s]; !is && s != d.current[t] {
				return s
			}
		}
	}
	return nil
}

var errFull = errors.New("no room for the history")

// spaceLeft keeps the floor of free space that the journal keeps too: 64 MiB or 5 %,
// whichever is more, but at most a quarter.
func (d *files) spaceLeft() error {
	free, total, err := d.fs.Space(d.dir)
	if err != nil {
		return err
	}
	floor := min(max(64<<20, total/20), total/4)
	if free-d.segmentSize < floor {
		return fmt.Errorf("%w: %d MiB are free on the file system of %s, %d MiB are left alone", errFull, free>>20, d.dir, floor>>20)
	}
	return nil
}

// expire makes segments of which all is older than the tier keeps into spare ones, and
// removes spare ones beyond two.
func (d *files) expire(now int64, keep [tiers]int64) error {
	var err error
	for t := range tiers {
		for _, s := range d.ofTier(t) {
			if s != d.current[t] && len(s.frames) > 0 && s.last() < now-keep[t] {
				d.mu.Lock()
				err = errors.Join(err, s.begin(emptySegment, d.generation))
				d.mu.Unlock()
			}
		}
	}
	spare := 0
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segments = slices.DeleteFunc(d.segments, func(s *segment) bool {
		if s.tier != emptySegment {
			return false
		}
		if spare++; spare <= 2 {
			return false
		}
		err = errors.Join(err, s.file.Close(), d.fs.Remove(s.name))
		return true
	})
	return err
}

// shift moves the frames of a run whose clock was not set, by writing their headers
// again: each lies in one sector.
func (d *files) shift(run uint32, by int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	touched := map[*segment]bool{}
	for _, s := range d.segments {
		for _, f := range s.frames {
			if f.run != run || f.set {
				continue
			}
			f.shift, f.from, f.to, f.set = f.shift+by, f.from+by, f.to+by, true
			if _, err := s.file.WriteAt(f.header(s.generation), f.off); err != nil {
				return fmt.Errorf("write %s: %w", s.name, err)
			}
			touched[s] = true
		}
	}
	for s := range touched {
		if err := s.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (d *files) close() (err error) {
	for _, s := range d.segments {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
