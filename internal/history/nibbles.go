package history

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

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

func (r *nibbleReader) uint() uint64 {
	at, odd := r.pos>>1, uint(4*(r.pos&1))
	if at+8 > len(r.b) {
		return r.slow()
	}
	// Sixteen groups in one step: where a number ends cannot be guessed, so that a branch
	// per group costs more than all that follows.
	w := binary.LittleEndian.Uint64(r.b[at:]) >> odd
	ends := ^w & (0x8888888888888888 >> odd)
	if ends == 0 {
		return r.slow()
	}
	r.pos += bits.TrailingZeros64(ends)>>2 + 1
	return groups(w & (ends ^ (ends - 1)))
}

// groups takes the bits of up to sixteen groups together.
func groups(w uint64) uint64 {
	if w < 1<<20 {
		return w&7 | w>>1&0x38 | w>>2&0x1C0 | w>>3&0xE00 | w>>4&0x7000
	}
	w = w&0x0707070707070707 | w>>1&0x3838383838383838
	w = w&0x003F003F003F003F | w>>2&0x0FC00FC00FC00FC0
	w = w&0x00000FFF00000FFF | w>>4&0x00FFF00000FFF000
	return w&0xFFFFFF | w>>8&0xFFFFFF000000
}

// ints reads as many numbers as fit into list: all that end in sixteen groups in one turn,
// so that the next number does not wait for the length of the one before.
func (r *nibbleReader) ints(list []int64) {
	for len(list) > 0 {
		at, odd := r.pos>>1, uint(4*(r.pos&1))
		var w, ends uint64
		if at+8 <= len(r.b) {
			w = binary.LittleEndian.Uint64(r.b[at:]) >> odd
			ends = ^w & (0x8888888888888888 >> odd)
		}
		if ends == 0 {
			list[0] = r.int()
			list = list[1:]
			continue
		}
		begin, done, n := 0, uint64(0), 0
		for n < len(list) && ends != 0 {
			upto := ends ^ (ends - 1)
			u := groups(w & (upto &^ done) >> (begin & 63))
			list[n] = int64(u>>1) ^ -int64(u&1)
			begin, done = bits.TrailingZeros64(ends)+1, upto
			ends &= ends - 1
			n++
		}
		r.pos += begin >> 2
		list = list[n:]
	}
}

// slow reads a number of any length, near the end too.
func (r *nibbleReader) slow() (v uint64) {
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
