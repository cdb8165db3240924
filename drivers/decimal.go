package drivers

import "math"

// Scale returns x × factor + offset as it is calculated by hand: what devices send and
// people write are decimal numbers, so 2.027 × 1000 is 2027, not 2027.0000000000002, and
// 1236 × 0.1 is 123.6. A factor of 0 means 1. Where the numbers have too many digits for
// that, it is what float64 makes of them. Zero has no sign: nobody wants to read -0 W.
func Scale(x, factor, offset float64) float64 {
	return scale(x, factor, offset) + 0 // -0 + 0 is 0
}

func scale(x, factor, offset float64) float64 {
	if factor == 0 {
		factor = 1
	}
	if offset == 0 {
		switch inv := whole(1 / factor); {
		case factor == 1:
			return x
		case isWhole(x) && 1/inv == factor:
			return x / inv // 1236 × 0.1, the usual case
		}
	}
	if f, ok := scaleDecimal(x, factor, offset); ok {
		return f
	}
	// 1/3 is no decimal number, but 3 is.
	if inv := whole(1 / factor); math.Abs(factor) < 1 && math.Abs(1/factor-inv) < 1e-9*math.Abs(inv) {
		return x/inv + offset
	}
	return x*factor + offset
}

// whole rounds f, and returns 0 for what is too large to be exact.
func whole(f float64) float64 {
	if !(math.Abs(f) < maxWhole) { // NaN too
		return 0
	}
	return float64(int64(f + math.Copysign(0.5, f)))
}

func isWhole(f float64) bool {
	return math.Abs(f) < maxWhole && float64(int64(f)) == f
}

// What float64 calculates exactly: whole numbers below maxWhole, divided once by a power
// of ten up to maxPlaces.
const (
	maxWhole     = 1 << 53
	maxPlaces    = 22
	maxFactor    = 1_000_000_000 // a factor with more digits is a fraction such as 1/3
	searchPlaces = 9             // digits behind the point of what is scaled
)

// tens are the powers of ten that a float64 holds exactly.
var tens = [maxPlaces + 1]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// decimal is n ÷ 10^places, exactly.
type decimal struct {
	n      float64 // whole, smaller than maxWhole
	places int
}

func scaleDecimal(x, factor, offset float64) (float64, bool) {
	a, ok := toDecimal(x)
	b, ok2 := toDecimal(factor)
	if !ok || !ok2 || math.Abs(b.n) > maxFactor {
		return 0, false
	}
	p := decimal{a.n * b.n, a.places + b.places}
	if !p.exact() {
		return 0, false
	}
	if offset != 0 {
		c, ok := toDecimal(offset)
		if !ok {
			return 0, false
		}
		places := max(p.places, c.places)
		sum := decimal{p.n*tens[places-p.places] + c.n*tens[places-c.places], places}
		if !p.at(places).exact() || !c.at(places).exact() || !sum.exact() {
			return 0, false
		}
		p = sum
	}
	return p.n / tens[p.places], true
}

// exact reports whether d is free of rounding.
func (d decimal) exact() bool { return math.Abs(d.n) < maxWhole && d.places <= maxPlaces }

// at returns d with so many places.
func (d decimal) at(places int) decimal {
	return decimal{d.n * tens[places-d.places], places}
}

// toDecimal finds the decimal number with the fewest digits that f stands for.
func toDecimal(f float64) (decimal, bool) {
	for places := 0; places <= searchPlaces; places++ {
		n := whole(f * tens[places])
		if n/tens[places] == f {
			return decimal{n, places}, true
		}
	}
	return decimal{}, false // too many digits, too large or no number
}
