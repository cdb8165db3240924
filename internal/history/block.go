package history

import "math"

// block is the values of all series since the last frame.
type block struct {
	series map[string]*openSeries
	bytes  int64 // estimate of what it holds in memory
}

type openSeries struct {
	kind    Kind
	base    int64 // ms; times are counted from here
	times   []int32
	values  []float64
	changes []Change
	done    []chunk // what did not fit into times
}

const pointSize = 12 // bytes in memory: a time and a value

func newBlock() *block { return &block{series: map[string]*openSeries{}} }

func (b *block) empty() bool { return len(b.series) == 0 }

func (b *block) add(name string, kind Kind, t int64, v Value) {
	s := b.series[name]
	if s == nil {
		s = &openSeries{kind: kind, base: t}
		b.series[name] = s
		b.bytes += seriesOverhead + int64(len(name))
	}
	if s.kind != kind {
		b.bytes += s.finish(name)
		s.kind = kind
	}
	if kind == State {
		s.changes = append(s.changes, Change{Time: t, State: v.State})
		b.bytes += 24 + int64(len(v.State))
		return
	}
	if s.full(t) {
		b.bytes += s.finish(name)
	}
	if len(s.times) == 0 {
		s.base = t
	}
	if len(s.times) == cap(s.times) {
		grow(s)
	}
	s.times = append(s.times, int32(t-s.base))
	s.values = append(s.values, v.Number)
	b.bytes += pointSize
}

// grow by a quarter: doubling would leave half of the memory empty.
func grow(s *openSeries) {
	n := max(16, cap(s.times)+cap(s.times)/4)
	s.times = append(make([]int32, 0, n), s.times...)
	s.values = append(make([]float64, 0, n), s.values...)
}

func (s *openSeries) full(t int64) bool {
	d := t - s.base
	return len(s.times) >= maxChunk || len(s.times) > 0 && (d > math.MaxInt32 || d < math.MinInt32)
}

// finish encodes what is held, and returns by how much the memory grew.
func (s *openSeries) finish(name string) (grew int64) {
	for _, c := range s.encode(name, nil) {
		s.done = append(s.done, c)
		grew += int64(len(c.data)) + 64
	}
	grew -= pointSize * int64(len(s.times))
	for _, c := range s.changes {
		grew -= 24 + int64(len(c.State))
	}
	s.times, s.values, s.changes = nil, nil, nil
	return grew
}

func (s *openSeries) encode(name string, out []chunk) []chunk {
	if len(s.times) > 0 {
		from, to := int64(math.MaxInt64), int64(math.MinInt64)
		for _, t := range s.times {
			from, to = min(from, s.base+int64(t)), max(to, s.base+int64(t))
		}
		out = append(out, chunk{name, s.kind, from, to, encodePoints(s.base, s.times, s.values)})
	}
	return appendChanges(out, name, s.changes)
}

// appendChanges encodes changes in chunks of a bounded size.
func appendChanges(out []chunk, name string, changes []Change) []chunk {
	for len(changes) > 0 {
		n, size := 0, 0
		for n < len(changes) && n < maxChunk && (n == 0 || size+len(changes[n].State) < maxFrame/2) {
			size += len(changes[n].State) + 8
			n++
		}
		from, to := changes[0].Time, changes[0].Time
		for _, c := range changes[:n] {
			from, to = min(from, c.Time), max(to, c.Time)
		}
		out = append(out, chunk{name, State, from, to, encodeChanges(changes[:n])})
		changes = changes[n:]
	}
	return out
}

// chunks encodes the whole block.
func (b *block) chunks() (out []chunk) {
	for name, s := range b.series {
		out = append(out, s.done...)
		out = s.encode(name, out)
	}
	return out
}

// each calls the function for the kind of what is held of one series.
func (b *block) each(name string, point func(Kind, Point), change func(Change)) {
	s := b.series[name]
	if s == nil {
		return
	}
	for _, c := range s.done {
		// What was encoded here a moment ago can be decoded.
		if c.kind == State {
			_ = decodeChanges(c.data, 0, change)
		} else {
			_ = decodePoints(c.data, 0, func(p Point) { point(c.kind, p) })
		}
	}
	for i, t := range s.times {
		v := s.values[i]
		point(s.kind, Point{Time: s.base + int64(t), Min: v, Mean: v, Max: v, Last: v, N: 1})
	}
	for _, c := range s.changes {
		change(c)
	}
}

// shift moves all times: the clock was set.
func (b *block) shift(d int64) {
	for name, s := range b.series {
		s.base += d
		for i := range s.changes {
			s.changes[i].Time += d
		}
		for i, c := range s.done {
			s.done[i] = shifted(name, c, d)
		}
	}
}

func shifted(name string, c chunk, d int64) chunk {
	if c.kind == State {
		var all []Change
		_ = decodeChanges(c.data, d, func(x Change) { all = append(all, x) })
		return chunk{name, c.kind, c.from + d, c.to + d, encodeChanges(all)}
	}
	var times []int32
	var values []float64
	base := c.from + d
	_ = decodePoints(c.data, d, func(p Point) {
		times, values = append(times, int32(p.Time-base)), append(values, p.Last)
	})
	return chunk{name, c.kind, c.from + d, c.to + d, encodePoints(base, times, values)}
}

// join takes the values of newer behind those held.
func (b *block) join(newer *block) {
	for name, n := range newer.series {
		s := b.series[name]
		if s == nil {
			b.series[name] = n
			continue
		}
		s.finish(name)
		s.done = append(s.done, n.done...)
		s.kind, s.base, s.times, s.values, s.changes = n.kind, n.base, n.times, n.values, n.changes
	}
	b.bytes = b.size()
}

func (b *block) size() (n int64) {
	for name, s := range b.series {
		n += seriesOverhead + int64(len(name)) + pointSize*int64(len(s.times))
		for _, c := range s.done {
			n += int64(len(c.data)) + 64
		}
		for _, c := range s.changes {
			n += 24 + int64(len(c.State))
		}
	}
	return n
}

// dropOldest makes room until limit holds: of every series the older half, encoded
// chunks first. It returns how many points went.
func (b *block) dropOldest(limit int64) (points uint64) {
	for b.bytes > limit {
		for name, s := range b.series {
			switch {
			case len(s.done) > 0:
				points += count(s.done[0])
				s.done = s.done[1:]
			case len(s.times)+len(s.changes) <= 1:
				points += uint64(len(s.times) + len(s.changes))
				delete(b.series, name)
			default:
				t, c := (len(s.times)+1)/2, len(s.changes)/2
				points += uint64(t + c)
				s.times = append([]int32(nil), s.times[t:]...)
				s.values = append([]float64(nil), s.values[t:]...)
				s.changes = append([]Change(nil), s.changes[c:]...)
			}
		}
		b.bytes = b.size()
	}
	return points
}

func count(c chunk) uint64 { return (&nibbleReader{b: c.data}).uint() }
