package history

import "errors"

// Numbers are written in groups of three bits, each with a bit that says whether another
// follows: differences between neighbours are small, and most take one or two nibbles.

var errShort = errors.New("chunk ends early")

// nibbles writes half bytes, the low half first.
type nibbles struct {
	b    []byte
	half bool // the last byte has room
}

func (w *nibbles) put(n byte) {
	if w.half {
		w.b[len(w.b)-1] |= n << 4
	} else {
		w.b = append(w.b, n)
	}
	w.half = !w.half
}

// uint appends v.
func (w *nibbles) uint(v uint64) {
	for v >= 8 {
		w.put(byte(v&7) | 8)
		v >>= 3
	}
	w.put(byte(v))
}

// int appends v with the sign in the lowest bit (zigzag), so that small negative
// numbers are short too.
func (w *nibbles) int(v int64) { w.uint(uint64(v)<<1 ^ uint64(v>>63)) }

// nibbleReader reads what nibbles wrote. After the first error it returns zeroes.
type nibbleReader struct {
	b   []byte
	pos int // in half bytes
	err error
}

func (r *nibbleReader) uint() (v uint64) {
	for shift := uint(0); ; shift += 3 {
		if r.pos>>1 >= len(r.b) || shift > 63 {
			r.err = errShort
			return 0
		}
		n := r.b[r.pos>>1] >> (4 * (r.pos & 1)) & 15
		r.pos++
		v |= uint64(n&7) << shift
		if n < 8 {
			return v
		}
	}
}

func (r *nibbleReader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// rest is what stands behind the last whole byte that was read.
func (r *nibbleReader) rest() []byte { return r.b[min((r.pos+1)>>1, len(r.b)):] }
