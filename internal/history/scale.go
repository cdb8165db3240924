package history

import (
	"math"
	"math/bits"
)

// Most values are decimal numbers with few digits: 21.4, 1013.25. Written as the whole
// numbers 214 and 101325 with one exponent per chunk, their differences are small. A
// chunk whose values are not like that keeps the bits of each value's float64, exclusive
// or with those of the one before. Nothing is rounded.

const (
	maxDigits = 9       // behind the decimal point
	floatBits = 15      // instead of an exponent: the values are float64 bits
	maxWhole  = 1 << 53 // every whole number up to here is a float64
)

var powers = [maxDigits + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// digits returns the smallest number of decimals, at least from, that represents v
// exactly; floatBits if none does.
func digits(v float64, from int) int {
	if v == 0 && math.Signbit(v) {
		return floatBits
	}
	for d := from; d <= maxDigits; d++ {
		w := math.Round(v * powers[d])
		if math.Abs(w) >= maxWhole {
			return floatBits
		}
		if w/powers[d] == v {
			return d
		}
	}
	return floatBits
}

// scaleOf returns the exponent for all values.
func scaleOf(values []float64) int {
	d := 0
	for _, v := range values {
		if d = digits(v, d); d == floatBits {
			return floatBits
		}
	}
	// More decimals for one value may be too many for another that is large.
	for _, v := range values {
		if w := math.Round(v * powers[d]); math.Abs(w) >= maxWhole || w/powers[d] != v {
			return floatBits
		}
	}
	return d
}

// valueWriter writes values as differences to the one before.
type valueWriter struct {
	w     *nibbles
	scale int
	last  int64 // the whole number, or the bits
}

func newValueWriter(w *nibbles, scale int) valueWriter {
	w.put(byte(scale))
	return valueWriter{w: w, scale: scale}
}

func (e *valueWriter) put(v float64) {
	if e.scale == floatBits {
		b := int64(math.Float64bits(v))
		x := uint64(b ^ e.last)
		e.last = b
		if x == 0 {
			e.w.uint(0)
			return
		}
		// Neighbours share the high bits, and a float32 has no low ones.
		zeroes := bits.TrailingZeros64(x)
		e.w.uint(uint64(zeroes) + 1)
		e.w.uint(x >> zeroes)
		return
	}
	n := int64(math.Round(v * powers[e.scale]))
	e.w.int(n - e.last)
	e.last = n
}

type valueReader struct {
	r     *nibbleReader
	scale int
	last  int64
}

func newValueReader(r *nibbleReader) valueReader {
	scale := 0
	if r.pos>>1 < len(r.b) {
		scale = int(r.b[r.pos>>1] >> (4 * (r.pos & 1)) & 15)
	}
	r.pos++
	if scale > maxDigits && scale != floatBits {
		r.err = errShort
		scale = 0
	}
	return valueReader{r: r, scale: scale}
}

// next reads a value: a whole number, or bits.
func (d *valueReader) next() int64 {
	if d.scale == floatBits {
		if zeroes := d.r.uint(); zeroes > 64 {
			d.r.err = errShort
		} else if zeroes > 0 {
			d.last ^= int64(d.r.uint() << (zeroes - 1))
		}
		return d.last
	}
	d.last += d.r.int()
	return d.last
}

// float is the last value that was read.
func (d *valueReader) float() float64 {
	if d.scale == floatBits {
		return math.Float64frombits(uint64(d.last))
	}
	return float64(d.last) / powers[d.scale]
}
