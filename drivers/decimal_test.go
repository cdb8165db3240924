package drivers

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestScalingKeepsTheDecimalDigits(t *testing.T) {
	for _, c := range []struct{ x, factor, offset, want float64 }{
		{2.027, 1000, 0, 2027}, // a P1 meter's kW in W
		{1236, 0.1, 0, 123.6},
		{1.1, 0.1, 0, 0.11},
		{100.512703125, 1000, 0, 100512.703125}, // kPa in Pa
		{24280, 0.001, 0, 24.28},
		{2981, 0.1, -273.15, 24.95},
		{21.4, 0, -0.4, 21},
		{0.1, 0, 0.2, 0.3},
		{8, 0.125, 0, 1},
		{3, 0.3333333333333333, 0, 1},
		{-27.5, 0.01, 0, -0.275},
		{0, 0.1, 0, 0},
		{5, -0.1, 0, -0.5},
		{1 << 60, 0.001, 0, (1 << 60) / 1000.0},
		{0.3333333333333333, 10, 0, 3.333333333333333}, // too many digits: as float64 has it
		{math.MaxFloat64, 0.1, 0, math.MaxFloat64 / 10},
		{1e300, 1e300, 0, math.Inf(1)},
	} {
		if got := Scale(c.x, c.factor, c.offset); got != c.want {
			t.Errorf("%v × %v + %v: got %v, want %v", c.x, c.factor, c.offset, got, c.want)
		}
	}
	if got := Scale(math.NaN(), 2, 1); !math.IsNaN(got) {
		t.Errorf("no number became %v", got)
	}
}

// Of decimal numbers such as devices send and people write, the result is the float64
// nearest to what exact arithmetic gives.
func TestScalingIsTheNearestNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func(digits, places int) (float64, *big.Rat) {
		n := r.Int64N(int64(math.Pow10(1+r.IntN(digits)))) - r.Int64N(100)
		exact := big.NewRat(n, int64(math.Pow10(r.IntN(places+1))))
		f, _ := exact.Float64()
		return f, exact
	}
	for range 20000 {
		x, ex := number(6, 4)
		factor, ef := number(2, 4)
		offset, eo := number(3, 3)
		if factor == 0 {
			continue
		}
		exact := new(big.Rat).Mul(ex, ef)
		want, _ := exact.Add(exact, eo).Float64()
		if got := Scale(x, factor, offset); got != want {
			t.Fatalf("%v × %v + %v: got %v, want %v", x, factor, offset, got, want)
		}
	}
}

// A grid power of nothing was published as "-0 W" where the sign is turned around.
func TestZeroHasNoSign(t *testing.T) {
	for _, factor := range []float64{-1, -0.1, -10, -1.0 / 3, 1, 0} {
		for _, zero := range []float64{0, math.Copysign(0, -1)} {
			if got := Scale(zero, factor, 0); math.Signbit(got) {
				t.Errorf("%v × %v is %v", zero, factor, got)
			}
		}
	}
}

func BenchmarkScale(b *testing.B) {
	for b.Loop() {
		Scale(1236, 0.1, 0)
	}
}
