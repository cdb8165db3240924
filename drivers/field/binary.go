package field

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"sensorgate/drivers"
)

// Binary is one value in a block of bytes. Embed it into channel options.
type Binary struct {
	At int `toml:"at" example:"4" doc:"The first byte of the value, counted from 0; a negative number counts from the end."`
	Layout
}

// Layout is a Binary without a place: for registers, which are addressed otherwise.
type Layout struct {
	Type  Type   `toml:"type" example:"\"u16\"" doc:"The kind and size of the value: u8 u16 u24 u32 u48 u64, s8 to s64, f32 f64, bcd8 bcd16 bcd24 bcd32 bcd48, bool or text."`
	Order Order  `toml:"order" example:"\"little\"" doc:"The order in which the bytes of the number come: big, little, or as letters: ABCD, DCBA, CDAB, BADC."`
	Len   int    `toml:"len" example:"8" doc:"How many bytes a text has."`
	Bit   *int   `toml:"bit" example:"3" doc:"Takes one bit, as true or false; 0 is the lowest."`
	Bits  *[]int `toml:"bits" example:"[4, 7]" doc:"Takes a part of the number, from the lowest to the highest bit: [4, 7]."`
	Value
}

// Check is called when the file is read.
func (l *Layout) Check() error {
	if l.Bit != nil && l.Bits != nil {
		return &drivers.KeyError{Key: "bit", Problem: "found bit and bits", Expected: "one of them"}
	}
	size := l.Size()
	isInt := l.Type.kind == unsigned || l.Type.kind == signed
	switch {
	case (l.Bit != nil || l.Bits != nil) && !isInt && l.Type.kind != undefined:
		return &drivers.KeyError{Key: "type", Problem: fmt.Sprintf("found %s, which has no bits", l.Type), Try: `type = "u16"`}
	case l.Bit != nil && (*l.Bit < 0 || *l.Bit >= 8*size):
		return &drivers.KeyError{Key: "bit", Problem: fmt.Sprintf("found %d, expected 0 to %d", *l.Bit, 8*size-1)}
	case l.Bits != nil && (len(*l.Bits) != 2 || (*l.Bits)[0] < 0 || (*l.Bits)[1] < (*l.Bits)[0] || (*l.Bits)[1] >= 8*size):
		return &drivers.KeyError{Key: "bits", Problem: fmt.Sprintf("found %v, expected lowest and highest from 0 to %d", *l.Bits, 8*size-1), Try: "bits = [4, 7]"}
	case l.Type.kind == text && (l.Len < 1 || l.Len > 1024):
		return &drivers.KeyError{Key: "len", Problem: fmt.Sprintf("found %d, expected the number of bytes of the text", l.Len)}
	case l.Type.kind != text && l.Len != 0:
		return &drivers.KeyError{Key: "len", Problem: "only a text has one"}
	}
	return l.Value.Check()
}

// Size is how many bytes the value takes.
func (l *Layout) Size() int {
	if l.Type.kind == text {
		return l.Len
	}
	return l.Type.orDefault().size
}

// Decode takes the value out of block. A block that is too short is an error.
func (b *Binary) Decode(block []byte) (drivers.Value, error) {
	at, size := b.At, b.Size()
	if at < 0 {
		at += len(block)
	}
	if at < 0 || at > len(block)-size {
		return drivers.Value{}, fmt.Errorf("bytes %d to %d asked for, the frame has %d", at, at+size-1, len(block))
	}
	return b.Layout.Decode(block[at : at+size])
}

// Decode makes the value of exactly Size bytes.
func (l *Layout) Decode(p []byte) (drivers.Value, error) {
	t := l.Type.orDefault()
	if len(p) != l.Size() {
		return drivers.Value{}, fmt.Errorf("%s takes %d bytes, not %d", t, l.Size(), len(p))
	}
	if t.kind == text {
		return l.text(p)
	}
	var ordered [8]byte
	l.Order.toBig(ordered[8-len(p):], p)
	u := binary.BigEndian.Uint64(ordered[:])
	if l.Bit != nil {
		return l.truth(u>>*l.Bit&1 != 0)
	}
	if l.Bits != nil {
		low, high := (*l.Bits)[0], (*l.Bits)[1]
		u = u >> low & (1<<(high-low+1) - 1)
		if t.kind == signed {
			return l.Of(float64(extend(u, high-low+1)))
		}
		return l.Of(float64(u))
	}
	switch t.kind {
	case truth:
		return l.truth(u != 0)
	case signed:
		return l.Of(float64(extend(u, 8*t.size)))
	case float:
		if t.size == 4 {
			return l.Of(widen(math.Float32frombits(uint32(u))))
		}
		return l.Of(math.Float64frombits(u))
	case bcd:
		n, err := fromBCD(u)
		if err != nil {
			return drivers.Value{}, err
		}
		return l.Of(n)
	default:
		return l.Of(float64(u))
	}
}

// Extreme reports whether p, of exactly Size bytes, is the highest unsigned or the lowest
// signed number of the type: in many devices, and in SunSpec, that there is none.
func (l *Layout) Extreme(p []byte) bool {
	t := l.Type.orDefault()
	if t.kind != unsigned && t.kind != signed || len(p) != t.size {
		return false
	}
	var ordered [8]byte
	l.Order.toBig(ordered[8-len(p):], p)
	u := binary.BigEndian.Uint64(ordered[:])
	if t.kind == signed {
		return u == 1<<(8*t.size-1)
	}
	return u == 1<<(8*t.size)-1 // all ones, also of 64 bits
}

// truth is a bit's value: a boolean, unless the map has names for it.
func (l *Layout) truth(b bool) (drivers.Value, error) {
	if l.Map == nil {
		return drivers.Bool(b), nil
	}
	if b {
		return l.named("1")
	}
	return l.named("0")
}

func (l *Layout) text(p []byte) (drivers.Value, error) {
	if l.Order.bytes {
		swapped := make([]byte, len(p))
		for i := 0; i+1 < len(p); i += 2 {
			swapped[i], swapped[i+1] = p[i+1], p[i]
		}
		p = swapped
	}
	s := strings.TrimRight(string(p), "\x00 ")
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	if s == "" {
		return drivers.Value{}, ErrNone
	}
	return l.OfText(s)
}

// Encode returns the bytes that stand for a command's payload, or refuses it.
func (l *Layout) Encode(c drivers.Command) ([]byte, error) {
	t := l.Type.orDefault()
	switch {
	case l.Bit != nil || l.Bits != nil:
		return nil, fmt.Errorf("%w: a part of a register cannot be written alone", drivers.ErrRefused)
	case t.kind == text:
		if len(c.Payload) > l.Len {
			return nil, fmt.Errorf("%w: text longer than %d bytes", drivers.ErrRefused, l.Len)
		}
		p := make([]byte, l.Len)
		copy(p, c.Payload)
		return p, nil
	case t.kind == truth:
		on, err := c.Bool()
		if err != nil {
			return nil, err
		}
		return l.encode(t, map[bool]uint64{true: 1}[on]), nil
	}
	raw, err := l.Raw(c)
	if err != nil {
		return nil, err
	}
	u, err := t.bits(raw)
	if err != nil {
		return nil, err
	}
	return l.encode(t, u), nil
}

func (l *Layout) encode(t Type, u uint64) []byte {
	var big [8]byte
	binary.BigEndian.PutUint64(big[:], u)
	p := make([]byte, t.size)
	l.Order.toBig(p, big[8-t.size:]) // swapping is its own inverse
	return p
}

// bits returns the pattern of a raw number, or refuses one that does not fit.
func (t Type) bits(raw float64) (uint64, error) {
	if t.kind == float {
		if t.size == 4 {
			if math.Abs(raw) > math.MaxFloat32 {
				return 0, fmt.Errorf("%w: %v does not fit a %s", drivers.ErrRefused, raw, t)
			}
			return uint64(math.Float32bits(float32(raw))), nil
		}
		return math.Float64bits(raw), nil
	}
	n := math.Round(raw)
	low, high := 0.0, math.Ldexp(1, 8*t.size)-1
	switch t.kind {
	case signed:
		low, high = -math.Ldexp(1, 8*t.size-1), math.Ldexp(1, 8*t.size-1)-1
	case bcd:
		high = math.Pow10(2*t.size) - 1
	}
	// A power of two that a float64 rounds up to would overflow.
	if n < low || n > high || n >= math.Ldexp(1, 64) || t.kind == signed && n >= math.Ldexp(1, 63) {
		return 0, fmt.Errorf("%w: raw value %v does not fit a %s", drivers.ErrRefused, n, t)
	}
	switch t.kind {
	case bcd:
		return toBCD(uint64(n)), nil
	case signed:
		return uint64(int64(n)) & (1<<(8*t.size) - 1), nil
	}
	return uint64(n), nil
}

// extend returns the signed number in the lowest bits of u.
func extend(u uint64, bits int) int64 {
	return int64(u<<(64-bits)) >> (64 - bits)
}

// widen returns the shortest decimal that a float32 stands for: 230.1, not
// 230.10000610351562, which is what a plain conversion makes of it.
func widen(f float32) float64 {
	wide := float64(f)
	if math.IsNaN(wide) || math.IsInf(wide, 0) || f == float32(math.Trunc(wide)) {
		return wide
	}
	// Seven digits name every float32 that a meter sends; where they do not, keep all.
	scale := math.Pow10(6 - int(math.Floor(math.Log10(math.Abs(wide)))))
	if short := math.Round(wide*scale) / scale; float32(short) == f {
		return short
	}
	return wide
}

func fromBCD(u uint64) (float64, error) {
	n, unit := 0.0, 1.0
	for ; u != 0; u >>= 4 {
		digit := u & 15
		if digit > 9 {
			return 0, fmt.Errorf("%X is not a decimal digit", digit)
		}
		n += float64(digit) * unit
		unit *= 10
	}
	return n, nil
}

func toBCD(n uint64) (u uint64) {
	for shift := 0; n != 0; shift += 4 {
		u |= n % 10 << shift
		n /= 10
	}
	return u
}
