package mqtt

// Type is the type of a control packet (2.1.2).
type Type byte

const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH // MQTT 5 only
)

var typeNames = [...]string{"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

func (t Type) String() string { return typeNames[t&15] }

// Protocol levels as they stand in CONNECT (3.1.2.2).
const (
	Level31  = 3 // MQIsdp
	Level311 = 4
	Level5   = 5
)

// MaxRemaining is the greatest remaining length that four bytes can say (2.2.3).
const MaxRemaining = 268_435_455

// Frame is one control packet taken out of the stream.
type Frame struct {
	Type  Type
	Flags byte   // the low half of the first byte
	Body  []byte // what follows the fixed header; aliases the stream's buffer
	Raw   []byte // all of it

	// LongLength: the remaining length is written in more bytes than needed. MQTT 5 does
	// not allow that [MQTT-1.5.5-1], MQTT 3.1.1 does (2.2.3 says nothing of it).
	LongLength bool
}

// IgnoreUnused clears what MQTT 3.1 leaves open: of all packets but PUBLISH the flags
// of the fixed header are "not used", or only say that a packet is sent again (its
// sections 2.1 and 3). The later levels give them values that must be right.
func (f *Frame) IgnoreUnused() {
	switch f.Type {
	case PUBLISH:
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		f.Flags = 2
	default:
		f.Flags = 0
	}
}

// NextFrame takes the first packet out of buf. Size is 0 when buf does not hold all of
// it yet; need then says how many bytes the whole packet has, or 0 if even that is not
// known. A packet of more than limit bytes is refused before it is there.
func NextFrame(buf []byte, limit int) (f Frame, need int, err error) {
	need, err = f.Next(buf, limit)
	return f, need, err
}

// Next is NextFrame where the frame has its place already: a copy of it would cost as much as
// to take a short packet apart. Without a whole packet f.Raw is nil.
func (f *Frame) Next(buf []byte, limit int) (need int, err error) {
	f.Raw = nil
	if len(buf) < 2 {
		return 0, nil
	}
	// The most frequent case first: remaining length in one byte.
	rem, head := int(buf[1]), 2
	if rem >= 0x80 {
		if rem, head, err = longLength(buf); err != nil || head == 0 {
			return 0, err
		}
	}
	total := head + rem
	if total > limit {
		return total, ErrPacketTooLarge
	}
	if total > len(buf) {
		return total, nil
	}
	f.Type, f.Flags = Type(buf[0]>>4), buf[0]&15
	f.Body, f.Raw = buf[head:total:total], buf[:total:total]
	f.LongLength = head > 2 && buf[head-1] == 0
	return total, nil
}

// longLength reads a remaining length of more than one byte. head is where the packet's
// body begins, 0 if more bytes are needed.
func longLength(buf []byte) (rem, head int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		at := 1 + shift/7
		if at >= len(buf) {
			return 0, 0, nil
		}
		rem |= int(buf[at]&0x7f) << shift
		if buf[at] < 0x80 {
			return rem, at + 1, nil
		}
	}
	return 0, 0, errVarintSize // (2.2.3): a fifth byte does not exist
}

// Varint reads a variable byte integer. n is 0 when more bytes are needed.
func Varint(b []byte) (v, n int, err error) {
	for n < 4 {
		if n >= len(b) {
			return 0, 0, nil
		}
		c := b[n]
		v |= int(c&0x7f) << (7 * n)
		n++
		if c < 0x80 {
			if n > 1 && c == 0 {
				return 0, 0, errVarintLong // [MQTT-1.5.5-1, v5]: the fewest bytes that will do
			}
			return v, n, nil
		}
	}
	return 0, 0, errVarintSize // (2.2.3): a fifth byte does not exist
}

// AppendVarint appends v, which must be at most MaxRemaining.
func AppendVarint(dst []byte, v int) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// VarintLen is how many bytes AppendVarint takes for v.
func VarintLen(v int) int {
	switch {
	case v < 1<<7:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<21:
		return 3
	}
	return 4
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, byte(len(s)>>8), byte(len(s)))
	return append(dst, s...)
}

func appendBinary(dst, b []byte) []byte {
	dst = append(dst, byte(len(b)>>8), byte(len(b)))
	return append(dst, b...)
}

// reader takes a packet apart; the first fault stays in err and all further reads
// give zero values.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) u8() byte {
	if len(r.b) < 1 {
		r.fail(errShort)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) u16() uint16 {
	if len(r.b) < 2 {
		r.fail(errShort)
		return 0
	}
	v := uint16(r.b[0])<<8 | uint16(r.b[1])
	r.b = r.b[2:]
	return v
}

func (r *reader) u32() uint32 { return uint32(r.u16())<<16 | uint32(r.u16()) }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) binary() []byte { return r.take(int(r.u16())) }

// text reads a UTF-8 string and checks it [MQTT-1.5.3-1, 1.5.3-2; v5: 1.5.4-1, 1.5.4-2].
func (r *reader) text() []byte {
	s := r.binary()
	if !validText(s) {
		r.fail(errText)
	}
	return s
}

func (r *reader) varint() int {
	v, n, err := Varint(r.b)
	if err == nil && n == 0 {
		err = errShort
	}
	if err != nil {
		r.fail(err)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// end reports the first fault, also that bytes are left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		return errTrailing
	}
	return r.err
}
