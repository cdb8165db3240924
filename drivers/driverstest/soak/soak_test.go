package soak

import (
	"math/rand/v2"
	"testing"

	"sensorgate/drivers"
)

// toy is two bytes and their sum.
func toy(check bool) Protocol {
	sum := func(f []byte) bool { return len(f) == 3 && f[0]+f[1] == f[2] }
	return Protocol{
		Name: "toy", Frames: [][]byte{{1, 2, 3}, {10, 20, 30}}, Valid: sum,
		Path: func() func([]byte) []Result {
			return func(wire []byte) (rs []Result) {
				for ; len(wire) >= 3; wire = wire[3:] {
					if f := wire[:3]; !check || sum(f) {
						rs = append(rs, Result{f, []drivers.Reading{{Channel: "v", Value: drivers.Number(float64(f[0]))}}})
					}
				}
				return rs
			}
		},
	}
}

// A driver that looks at its check passes, and what the check lets through is counted.
func TestSoakCountsWhatACheckLetsThrough(t *testing.T) {
	t.Setenv("SOAK", "20000")
	r := Run(t, toy(true))
	if r.Mutations != 20000 || r.Changed == 0 || r.Changed > r.Accepted || r.Accepted == r.Mutations {
		t.Errorf("%+v: want some mutations of two bytes and a sum to pass, not all", r)
	}
}

// A driver that does not look at its check is found out.
func TestSoakFindsADriverWithoutItsCheck(t *testing.T) {
	p, inner := toy(false), &testing.T{}
	s := &soaker{t: inner, p: p, path: p.Path(), good: map[reading]bool{{"v", drivers.Number(1)}: true, {"v", drivers.Number(10)}: true}}
	for seed := range uint64(100) {
		s.one(seed)
	}
	if !inner.Failed() {
		t.Error("a hundred damaged frames were taken, and nobody complained")
	}
}

func TestMutationsDiffer(t *testing.T) {
	frames := [][]byte{{1, 2, 3, 4, 5, 6}}
	seen := map[string]bool{}
	for seed := range uint64(1000) {
		seen[string(mutate(rand.New(rand.NewPCG(seed, 16)), []byte{1, 2, 3, 4, 5, 6}, frames))] = true
	}
	if len(seen) < 500 {
		t.Errorf("only %d different ones of 1000", len(seen))
	}
}
