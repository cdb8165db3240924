package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// channel is one value that the user wants. What it is made of is read in one request, so
// that all is of one moment: a device may change a scale factor while it runs.
type channel struct {
	name, unit string
	o          Channel

	missing bool      // extreme numbers mean that there is none
	written time.Time // by the last command; used in turns on the bus only

	// Places in the item's registers.
	value int
	sf    int // -1: it has none
	sign  int // -1: it has none
	parts []part
}

// part is a further number of a sum.
type part struct {
	at    int
	minus bool
}

// maxExponent is the largest SunSpec scale factor; 0x8000 is "not implemented".
const maxExponent = 10

// newChannel makes a channel and the registers that it needs. at is where it begins: an
// address, or a place in a SunSpec model.
func newChannel(name, unit string, o Channel, at int) (*channel, *item) {
	c := &channel{name: name, unit: unit, o: o, missing: o.SunSpec != "", sf: -1, sign: -1}
	low, high := at, at+o.width()
	span := func(from, width int) {
		low, high = min(low, from), max(high, from+width)
	}
	if o.SF != nil {
		span(*o.SF, 1)
	}
	if o.Sign != nil {
		span(*o.Sign, 1)
	}
	for _, from := range append(append([]int(nil), o.Plus...), o.Minus...) {
		span(from, o.width())
	}
	c.value = at - low
	if o.Sign != nil {
		c.sign = *o.Sign - low
	}
	if o.SF != nil {
		c.sf = *o.SF - low
	}
	for _, from := range o.Plus {
		c.parts = append(c.parts, part{at: from - low})
	}
	for _, from := range o.Minus {
		c.parts = append(c.parts, part{at: from - low, minus: true})
	}
	return c, &item{at: low, width: high - low, channel: c}
}

// decode makes the value of an item's registers, or of the byte that holds its bit.
func (c *channel) decode(p []byte) (drivers.Value, error) {
	if !c.o.registers() {
		if c.o.Map == nil {
			return drivers.Bool(p[0] != 0), nil
		}
		return c.o.Value.Of(float64(p[0]))
	}
	at, err := c.registers(p, c.value)
	if err != nil {
		return drivers.Value{}, err
	}
	if c.sf < 0 && c.sign < 0 && len(c.parts) == 0 {
		return c.o.Layout.Decode(at)
	}
	n, err := c.sum(p, at)
	if err != nil {
		return drivers.Value{}, err
	}
	if c.sign >= 0 && c.negative(binary.BigEndian.Uint16(p[2*c.sign:])) {
		n = 0 - n // not -0
	}
	if c.sf >= 0 {
		exponent := int(int16(binary.BigEndian.Uint16(p[2*c.sf:])))
		if exponent < -maxExponent || exponent > maxExponent {
			return drivers.Value{}, field.ErrNone
		}
		n = drivers.Scale(n, math.Pow10(exponent), 0)
	}
	scaled := c.o.Value
	scaled.Invalid = nil // of raw numbers, and looked for already
	return scaled.Of(n)
}

// sum returns the number at first with all that is added to it.
func (c *channel) sum(p, first []byte) (float64, error) {
	n, err := c.raw(first)
	if err != nil {
		return 0, err
	}
	for _, part := range c.parts {
		at, err := c.registers(p, part.at)
		if err != nil {
			return 0, err
		}
		more, err := c.raw(at)
		if err != nil {
			return 0, err
		}
		if more = drivers.Scale(more, c.o.Times, 0); part.minus {
			more = -more
		}
		n = drivers.Scale(n, 1, more)
	}
	return n, nil
}

// negative reports whether a sign register's value stands for a negative number.
func (c *channel) negative(sign uint16) bool {
	if c.o.Negative == nil {
		return sign == 1
	}
	return slices.Contains(c.o.Negative, int(sign))
}

// registers returns the bytes of the number at a place in p.
func (c *channel) registers(p []byte, at int) ([]byte, error) {
	p = p[2*at : 2*(at+c.o.width())]
	switch size := c.o.Size(); {
	case size >= len(p):
	case size == 1:
		p = p[1:] // a byte stands in the low half
	default:
		p = p[:size] // a text of odd length
	}
	if c.missing && c.o.Extreme(p) {
		return nil, field.ErrNone
	}
	return p, nil
}

// raw returns a number as it stands in the registers.
func (c *channel) raw(p []byte) (float64, error) {
	l := c.o.Layout
	l.Value = field.Value{Invalid: c.o.Invalid}
	v, err := l.Decode(p)
	if err != nil {
		return 0, err
	}
	n, ok := v.Number()
	if !ok {
		return 0, fmt.Errorf("%v is not a number", v)
	}
	return n, nil
}
