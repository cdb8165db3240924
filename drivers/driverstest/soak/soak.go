package soak

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"sensorgate/drivers"
)

// Protocol is what is soaked.
type Protocol struct {
	Name   string
	Frames [][]byte // good ones, as they stand on the wire

	// Path makes the way that bytes go. The returned func takes the bytes that arrived at
	// once, in any state that earlier ones left behind, and returns what came out; it must
	// not keep wire. A nil Frame is a frame that the path does not show.
	Path func() func(wire []byte) []Result

	// Valid is the protocol's own check of one frame, written without the driver's code.
	// nil: the protocol has none, and Unchecked is why.
	Valid     func(frame []byte) bool
	Unchecked string

	// Repair makes the check of a damaged frame right again, so that damage is seen behind
	// the check too: there only panics count. nil: it is not tried.
	Repair func(frame []byte) []byte

	// Ranges are the plausible ranges that hold for every value. nil: none are declared.
	Ranges drivers.Ranges
}

// Result is one frame that was accepted, and its readings.
type Result struct {
	Frame    []byte
	Readings []drivers.Reading
}

// Report counts what became of the mutations.
type Report struct {
	Mutations int
	Accepted  int // something came out
	Changed   int // a value came out that no good frame has
}

// Count is how many mutations Run tries.
func Count(t testing.TB) int {
	if s := os.Getenv("SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("SOAK=%s: expected a number of mutations", s)
		}
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return usual
}

// first is the seed that Run begins with: a long run can be made in slices, each with its
// own SOAK_FROM.
func first(t testing.TB) uint64 {
	s := os.Getenv("SOAK_FROM")
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		t.Fatalf("SOAK_FROM=%s: expected a number", s)
	}
	return n
}

// Run soaks p and logs its Report.
func Run(t *testing.T, p Protocol) Report {
	t.Helper()
	s := &soaker{t: t, p: p, path: p.Path(), good: map[reading]bool{}}
	for _, f := range p.Frames {
		for _, r := range s.path(f) {
			for _, rd := range r.Readings {
				s.good[reading{rd.Channel, rd.Value}] = true
			}
		}
	}
	if len(s.good) == 0 {
		t.Fatalf("%s: the good frames have no readings", p.Name)
	}
	n := Count(t)
	from := first(t)
	for i := from; i < from+uint64(n) && !t.Failed(); i++ {
		s.one(i)
	}
	t.Logf("%s: %d mutations, %d accepted, %d with a changed value (%.2g %%)", p.Name, s.report.Mutations,
		s.report.Accepted, s.report.Changed, 100*float64(s.report.Changed)/float64(max(s.report.Mutations, 1)))
	return s.report
}

// reading is what makes two readings the same.
type reading struct {
	channel string
	value   drivers.Value
}

type soaker struct {
	t      *testing.T
	p      Protocol
	path   func([]byte) []Result
	good   map[reading]bool
	report Report
	wire   []byte
}

// one damages one frame and sends it, with a good one behind it: what follows a damaged
// frame belongs to the damage.
func (s *soaker) one(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 16))
	frame := s.p.Frames[rng.IntN(len(s.p.Frames))]
	s.wire = mutate(rng, append(s.wire[:0], frame...), s.p.Frames)
	repaired := s.p.Repair != nil && seed%8 == 7
	if repaired {
		s.wire = s.p.Repair(s.wire)
	}
	damaged := len(s.wire)
	s.wire = append(s.wire, frame...)
	defer func() {
		if r := recover(); r != nil {
			s.t.Errorf("%s: seed %d: panic: %v, after % X", s.p.Name, seed, r, s.wire[:damaged])
			panic(r) // with its stack
		}
	}()
	results := s.path(s.wire)
	if repaired {
		return
	}
	s.report.Mutations++
	accepted, changed := false, false
	for _, r := range results {
		for _, rd := range r.Readings {
			if s.good[reading{rd.Channel, rd.Value}] {
				continue
			}
			accepted, changed = true, true
			s.judge(seed, r, rd, s.wire[:damaged])
		}
		accepted = accepted || len(r.Readings) > 0 && !bytes.Equal(r.Frame, frame)
	}
	if accepted {
		s.report.Accepted++
	}
	if changed {
		s.report.Changed++
	}
}

// judge looks at a value that no good frame has.
func (s *soaker) judge(seed uint64, r Result, rd drivers.Reading, wire []byte) {
	if s.p.Valid != nil && !s.p.Valid(r.Frame) {
		s.t.Errorf("%s: seed %d: %s = %v %s from a frame that fails the check: % X (of % X)", s.p.Name, seed, rd.Channel, rd.Value, rd.Unit, r.Frame, wire)
	}
	if err := s.p.Ranges.Check(rd); err != nil {
		s.t.Errorf("%s: seed %d: %v, in % X", s.p.Name, seed, err, wire)
	}
}

// mutate damages p in one to three ways, as wires, glitches and restarts do. It may use
// the memory behind p.
func mutate(rng *rand.Rand, p []byte, frames [][]byte) []byte {
	for range 1 + rng.IntN(3) {
		if len(p) == 0 {
			return p
		}
		at := rng.IntN(len(p))
		switch rng.IntN(9) {
		case 0, 1, 2: // one bit
			p[at] ^= 1 << rng.IntN(8)
		case 3: // a burst
			for i := at; i < len(p) && i < at+1+rng.IntN(4); i++ {
				p[i] = byte(rng.Uint32())
			}
		case 4: // a byte too many
			p = append(p, 0)
			copy(p[at+1:], p[at:])
			p[at] = byte(rng.Uint32())
		case 5: // some too few
			n := min(1+rng.IntN(3), len(p)-at)
			p = append(p[:at], p[at+n:]...)
		case 6: // cut short
			p = p[:at]
		case 7: // two changed places
			other := rng.IntN(len(p))
			p[at], p[other] = p[other], p[at]
		case 8: // the end of another frame
			f := frames[rng.IntN(len(frames))]
			p = append(p[:at], f[min(at, len(f)):]...)
		}
	}
	return p
}
