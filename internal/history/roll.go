package history

import (
	"maps"
	"slices"
	"sort"
	"time"
)

// maxRoll bounds what one rolling up reads; the rest is next.
const maxRoll = 4 << 20

// roll makes coarser frames of finer ones that are old or many enough, and forgets what
// is too old.
func (s *Store) roll(now time.Time) {
	err := s.rollTier(minutes, rollMinutes, now)
	if err == nil {
		err = s.rollTier(quarters, rollQuarters, now)
	}
	if err == nil && s.clockSet() {
		keep := [tiers]int64{s.o.Raw.Milliseconds(), s.o.Minutes.Milliseconds(), s.o.Quarters.Milliseconds()}
		err = s.disk.expire(now.UnixMilli(), keep)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report(err)
}

func (s *Store) clockSet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.set
}

// rollTier makes frames of the tier to, if span has passed since the first value that
// is not in one, or if those values take much of the store.
func (s *Store) rollTier(to tier, span time.Duration, now time.Time) error {
	for {
		frames := s.disk.unrolled(to, s.holdUnset(now))
		if len(frames) == 0 {
			return nil
		}
		var size int64
		for _, f := range frames {
			size += int64(f.size)
		}
		age := now.UnixMilli() - frames[0].from
		if age < span.Milliseconds() && size < int64(s.disk.max)*s.disk.segmentSize/8 {
			return nil
		}
		more := size > maxRoll
		if err := s.rollFrames(to, limitFrames(frames)); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// holdUnset is the run whose frames wait for the clock, 0 if none does.
func (s *Store) holdUnset(now time.Time) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock.set || now.Sub(s.clock.begin) > unsetMax {
		return 0
	}
	return s.clock.run
}

// limitFrames cuts behind maxRoll bytes, between two numbers.
func limitFrames(frames []*frame) []*frame {
	size := int64(0)
	for i, f := range frames {
		if size > maxRoll && f.number != frames[i-1].number {
			return frames[:i]
		}
		size += int64(f.size)
	}
	return frames
}

// unrolled returns the frames of the tier below that the tier to does not contain yet,
// but not those of the run hold.
func (d *files) unrolled(to tier, hold uint32) (out []*frame) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, f := range d.frames(to - 1) {
		if f.number > d.covers[to] && (f.run != hold || f.set) {
			out = append(out, f)
		}
	}
	return out
}

// source is a chunk in a frame.
type source struct {
	f *frame
	e entry
}

// rollFrames writes the summary of frames.
func (s *Store) rollFrames(to tier, frames []*frame) error {
	chunks := s.summaries(to, frames)
	last := frames[len(frames)-1]
	out, bodies := buildFrames(chunks)
	if len(out) == 0 {
		// Nothing in them can be read: they count as contained, or they are tried forever.
		s.disk.mu.Lock()
		s.disk.covers[to] = max(s.disk.covers[to], last.number)
		s.disk.mu.Unlock()
		return nil
	}
	for _, f := range out {
		f.covers, f.run, f.set = last.number, last.run, last.set
	}
	return s.disk.write(to, out, bodies)
}

// summaries makes one chunk of slots, or of changes, per series.
func (s *Store) summaries(to tier, frames []*frame) (out []chunk) {
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	sources := map[string][]source{}
	for _, f := range frames {
		err := f.directory(func(name []byte, e entry) bool {
			sources[string(name)] = append(sources[string(name)], source{f, e})
			return true
		})
		if err != nil {
			s.noteDamage(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		slots, kind := newSlots(to.width()), Number
		var changes []Change
		for _, src := range sources[name] {
			err := src.f.decode(src.e, func(k Kind, p Point) { kind = k; slots.add(p) }, func(c Change) { changes = append(changes, c) })
			if err != nil {
				s.noteDamage(err)
			}
		}
		out = appendSlots(out, name, kind, to, slots.sorted())
		out = appendChanges(out, name, changes)
	}
	return out
}

func appendSlots(out []chunk, name string, kind Kind, t tier, slots []Point) []chunk {
	for part := range slices.Chunk(slots, maxChunk) {
		out = append(out, chunk{name, kind, part[0].Time, part[len(part)-1].Time + t.width() - 1, encodeSlots(kind, t.width(), part)})
	}
	return out
}

// decode calls one of the functions for all that a chunk holds.
func (f *frame) decode(e entry, point func(Kind, Point), change func(Change)) error {
	b, err := f.read(e)
	if err != nil {
		return err
	}
	switch {
	case e.kind == State:
		return decodeChanges(b, f.shift, change)
	case f.seg.tier == raw:
		return decodePoints(b, f.shift, func(p Point) { point(e.kind, p) })
	default:
		return decodeSlots(e.kind, f.seg.tier.width(), f.shift, b, func(p Point) { point(e.kind, p) })
	}
}

// noteDamage counts a chunk that cannot be read. It is logged once.
func (s *Store) noteDamage(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged == 0 {
		s.log.Warn("a part of the history is damaged and left out; more is counted only", "err", err)
	}
	s.damaged++
}

// slots gathers points by the slot that their time lies in.
type slots struct {
	width, offset int64
	at            map[int64]int
	all           []Point
	lastTime      []int64 // per slot, of the point that gave Last
	now           int     // slot of the point before: most points go where that one went
	chunk         columns // memory of addChunk
}

func newSlots(width int64) *slots { return &slots{width: width, at: map[int64]int{}} }

func (s *slots) add(p Point) {
	if len(s.all) == 0 || p.Time < s.all[s.now].Time || p.Time >= s.all[s.now].Time+s.width {
		t := s.start(p.Time)
		i, known := s.at[t]
		if !known {
			s.at[t], s.now = len(s.all), len(s.all)
			s.all, s.lastTime = append(s.all, p), append(s.lastTime, p.Time)
			s.all[s.now].Time = t
			return
		}
		s.now = i
	}
	i := s.now
	a := &s.all[i]
	n := a.N + p.N
	a.Mean += (p.Mean - a.Mean) * float64(p.N) / float64(n)
	a.Min, a.Max, a.N = min(a.Min, p.Min), max(a.Max, p.Max), n
	if p.Time >= s.lastTime[i] {
		a.Last, s.lastTime[i] = p.Last, p.Time
	}
}

// maxSum is how many of the largest whole numbers have a sum of 63 bits.
const maxSum = 512

// addChunk adds the points of a chunk of single values that lie between two times, and
// returns the time of the newest, which is before from if there are none. The sum of decimal numbers is a
// whole number, without the errors of many small steps, and needs one division per slot.
func (s *slots) addChunk(b []byte, shift, from, to int64) (newest int64, err error) {
	c := &s.chunk
	if err := c.load(b); err != nil {
		return from - 1, err
	}
	newest = from - 1
	for i := 0; i < len(c.times); {
		t := c.times[i] + shift
		if t < from || t >= to {
			i++
			continue
		}
		newest = max(newest, t)
		if c.scale == floatBits {
			x := c.value(i)
			s.add(Point{Time: t, Min: x, Mean: x, Max: x, Last: x, N: 1})
			i++
			continue
		}
		low := max(s.start(t), from)
		high := min(s.start(t)+s.width, to)
		v := c.values[i]
		least, most, sum, last, at, first := v, v, v, v, t, i
		for i++; i < len(c.times) && i-first < maxSum; i++ {
			if t = c.times[i] + shift; t < low || t >= high {
				break
			}
			v = c.values[i]
			least, most, sum = min(least, v), max(most, v), sum+v
			if t >= at {
				last, at = v, t
			}
		}
		n, p := i-first, powers[c.scale]
		s.add(Point{
			Time: at, Min: float64(least) / p, Max: float64(most) / p, Last: float64(last) / p,
			Mean: float64(sum) / (float64(n) * p), N: uint64(n),
		})
		newest = max(newest, at)
	}
	return newest, nil
}

// start is where the slot begins that a time lies in.
func (s *slots) start(t int64) int64 { return floorTo(t-s.offset, s.width) + s.offset }

// sorted returns the slots by time.
func (s *slots) sorted() []Point { return byTime(s.all) }

// byTime sorts points. Those of the memory are found first and are the newest: mostly two
// sorted parts only have to change places.
func byTime(ps []Point) []Point {
	ordered := func(ps []Point) int {
		for i := 1; i < len(ps); i++ {
			if ps[i].Time < ps[i-1].Time {
				return i
			}
		}
		return len(ps)
	}
	if i := ordered(ps); i < len(ps) {
		ps = slices.Concat(ps[i:], ps[:i])
	}
	if ordered(ps) < len(ps) {
		sort.SliceStable(ps, func(i, k int) bool { return ps[i].Time < ps[k].Time })
	}
	return ps
}

func floorTo(t, width int64) int64 {
	if r := t % width; r < 0 {
		return t - r - width
	} else {
		return t - r
	}
}
