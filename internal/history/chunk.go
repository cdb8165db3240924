package history

import (
	"fmt"
	"math"
	"slices"
)

// Kind says what a series holds.
type Kind uint8

const (
	Number Kind = iota // has minimum, mean, maximum and last in a slot
	Total              // a meter's count: of a slot, the last value
	State              // a text or a boolean: every change is kept
)

func (k Kind) String() string {
	switch k {
	case Number:
		return "number"
	case Total:
		return "total"
	case State:
		return "state"
	}
	return fmt.Sprintf("kind %d", k)
}

// Point is one value, or the summary of the values of a slot. Time is its time, or the
// start of the slot, in milliseconds since 1970. N is how many values it stands for: of
// one value, all four numbers are the same.
type Point struct {
	Time                 int64
	Min, Mean, Max, Last float64
	N                    uint64
}

// Change is a state from Time on (milliseconds since 1970).
type Change struct {
	Time  int64
	State string
}

// maxChunk bounds the points of one chunk.
const maxChunk = 16384

// encodePoints writes single values. times are milliseconds behind base.
//
//	u count, i base, per point: i difference of the difference to the time before;
//	scale, per point: value
func encodePoints(base int64, times []int32, values []float64) []byte {
	w := &nibbles{b: make([]byte, 0, 16+2*len(times))}
	w.uint(uint64(len(times)))
	w.int(base)
	var last, step int64
	for _, t := range times {
		d := int64(t) - last
		w.int(d - step)
		last, step = int64(t), d
	}
	v := newValueWriter(w, scaleOf(values))
	for _, x := range values {
		v.put(x)
	}
	return w.b
}

// decodePoints calls f for each point, whose times move by shift.
func decodePoints(b []byte, shift int64, f func(Point)) error {
	var c columns
	if err := c.load(b); err != nil {
		return err
	}
	for i, t := range c.times {
		x := c.value(i)
		f(Point{Time: t + shift, Min: x, Mean: x, Max: x, Last: x, N: 1})
	}
	return nil
}

// columns are the single values of a chunk: whole numbers with a scale, or bits.
type columns struct {
	times, values []int64
	scale         int
}

// load reads a chunk into the memory of the one before.
func (c *columns) load(b []byte) (err error) {
	r := &nibbleReader{b: b}
	if c.times, err = decodeTimes(r, c.times[:0]); err != nil {
		return err
	}
	v := newValueReader(r)
	c.values, c.scale = slices.Grow(c.values[:0], len(c.times))[:len(c.times)], v.scale
	if v.scale != floatBits {
		r.ints(c.values)
		last := int64(0)
		for i, d := range c.values {
			last += d
			c.values[i] = last
		}
		return r.err
	}
	for i := range c.values {
		c.values[i] = v.next()
		if math.IsNaN(v.float()) || math.IsInf(v.float(), 0) {
			return errShort
		}
	}
	return r.err
}

func (c *columns) value(i int) float64 {
	return (&valueReader{scale: c.scale, last: c.values[i]}).float()
}

// decodeTimes returns the times, in the memory of an empty slice.
func decodeTimes(r *nibbleReader, times []int64) ([]int64, error) {
	n, base := r.uint(), r.int()
	// A time and its value take at least one nibble each.
	if r.err != nil || n > maxChunk || n > uint64(2*len(r.b)) {
		return nil, errShort
	}
	times = slices.Grow(times, int(n))[:n]
	r.ints(times)
	var last, step int64
	for i, d := range times {
		step += d
		last += step
		times[i] = base + last
	}
	return times, r.err
}

// encodeSlots writes summaries. The numbers of a slot lie near its last value.
//
//	u count, i first time in slots, per slot: i difference of the difference; u N;
//	scale, per slot: last; for a Number: u last−min, u max−last, i mean−last
//
// The mean of a decimal chunk has two decimals more than its values.
func encodeSlots(kind Kind, width int64, slots []Point) []byte {
	w := &nibbles{b: make([]byte, 0, 16+5*len(slots))}
	w.uint(uint64(len(slots)))
	var last, step int64
	for _, s := range slots {
		d := s.Time/width - last
		w.int(d - step)
		last, step = s.Time/width, d
		w.uint(s.N)
	}
	values := make([]float64, 0, 3*len(slots))
	for _, s := range slots {
		values = append(values, s.Last, s.Min, s.Max)
	}
	v := newValueWriter(w, scaleOf(values))
	for _, s := range slots {
		v.put(s.Last)
		if kind != Number || s.N == 1 {
			continue
		}
		if v.scale == floatBits {
			v.put(s.Min)
			v.put(s.Max)
			v.put(s.Mean)
			continue
		}
		p := powers[v.scale]
		w.uint(uint64(max(0, v.last-int64(math.Round(s.Min*p)))))
		w.uint(uint64(max(0, int64(math.Round(s.Max*p))-v.last)))
		w.int(int64(math.Round((s.Mean - s.Last) * p * 100)))
	}
	return w.b
}

// decodeSlots calls f for each slot, whose times move by shift.
func decodeSlots(kind Kind, width, shift int64, b []byte, f func(Point)) error {
	r := &nibbleReader{b: b}
	n := r.uint()
	if r.err != nil || n > maxChunk || n > uint64(2*len(b)) {
		return errShort
	}
	times, counts := make([]int64, n), make([]uint64, n)
	var last, step int64
	for i := range times {
		step += r.int()
		last += step
		times[i], counts[i] = last*width+shift, r.uint()
	}
	v := newValueReader(r)
	for i, t := range times {
		v.next()
		x := v.float()
		s := Point{Time: t, Min: x, Mean: x, Max: x, Last: x, N: counts[i]}
		switch {
		case kind != Number || s.N == 1:
		case v.scale == floatBits:
			v.next()
			s.Min = v.float()
			v.next()
			s.Max = v.float()
			v.next()
			s.Mean = v.float()
		default:
			p := powers[v.scale]
			s.Min = float64(v.last-int64(r.uint())) / p
			s.Max = float64(v.last+int64(r.uint())) / p
			s.Mean = x + float64(r.int())/(p*100)
		}
		if r.err != nil || s.N == 0 || !finite(s) {
			return errShort
		}
		f(s)
	}
	return r.err
}

func finite(s Point) bool {
	sum := s.Min + s.Mean + s.Max + s.Last
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// encodeChanges writes states.
//
//	u count, i base, times as of points; per change: u number in the dictionary; then
//	the dictionary: u count, per text: u length; then, from the next byte on, the texts
func encodeChanges(changes []Change) []byte {
	w := &nibbles{b: make([]byte, 0, 32+4*len(changes))}
	base := int64(0)
	if len(changes) > 0 {
		base = changes[0].Time
	}
	w.uint(uint64(len(changes)))
	w.int(base)
	numbers := map[string]uint64{}
	var texts []string
	last, step := base, int64(0)
	for _, c := range changes {
		d := c.Time - last
		w.int(d - step)
		last, step = c.Time, d
	}
	for _, c := range changes {
		n, known := numbers[c.State]
		if !known {
			n = uint64(len(texts))
			numbers[c.State] = n
			texts = append(texts, c.State)
		}
		w.uint(n)
	}
	w.uint(uint64(len(texts)))
	for _, t := range texts {
		w.uint(uint64(len(t)))
	}
	for _, t := range texts {
		w.b = append(w.b, t...)
	}
	return w.b
}

// decodeChanges calls f for each change, whose times move by shift.
func decodeChanges(b []byte, shift int64, f func(Change)) error {
	r := &nibbleReader{b: b}
	times, err := decodeTimes(r, nil)
	if err != nil {
		return err
	}
	numbers := make([]uint64, len(times))
	for i := range numbers {
		numbers[i] = r.uint()
	}
	n := r.uint()
	if r.err != nil || n > uint64(len(times)) {
		return errShort
	}
	lengths := make([]uint64, n)
	for i := range lengths {
		lengths[i] = r.uint()
	}
	rest := r.rest()
	texts := make([]string, n)
	for i, l := range lengths {
		if l > uint64(len(rest)) {
			return errShort
		}
		texts[i] = string(rest[:l])
		rest = rest[l:]
	}
	for i, t := range times {
		if numbers[i] >= n {
			return errShort
		}
		f(Change{Time: t + shift, State: texts[numbers[i]]})
	}
	return r.err
}
