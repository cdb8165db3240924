package i2ctest

import (
	"math/rand/v2"
	"time"
)

// BH1750 simulates the BH1750. Data sheet "Measurement procedure".
type BH1750 struct {
	Conversion
	Lux float64

	mt         uint16
	on, coarse bool
	data       uint16
}

// NewBH1750 makes a chip in this light.
func NewBH1750(lux float64) *BH1750 {
	c := &BH1750{Lux: lux}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *BH1750) PowerOn() {
	c.Abort()
	c.mt, c.on, c.data = 69, false, 0
}

// Leave implements Leaver.
func (c *BH1750) Leave(r *rand.Rand) {
	for _, cmd := range []byte{0x00, 0x01, 0x10, 0x13, 0x41, 0x45, 0x7e, 0x62} {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{cmd})
		}
	}
}

// Write implements Chip.
func (c *BH1750) Write(b []byte) error {
	if len(b) != 1 {
		return ErrNAK
	}
	switch cmd := b[0]; {
	case cmd == 0x00:
		c.on = false
	case cmd == 0x01:
		c.on = true
	case cmd == 0x10, cmd == 0x11, cmd == 0x13: // continuously; 4 lx a step with 0x13
		c.on, c.coarse = true, cmd == 0x13
		c.Start(time.Duration(c.mt) * 120 * time.Millisecond / 69)
	case cmd == 0x20:
		c.on, c.coarse = true, false
		c.Start(time.Duration(c.mt) * 120 * time.Millisecond / 69)
	case cmd&0xf8 == 0x40:
		c.mt = c.mt&0x1f | uint16(cmd&7)<<5
	case cmd&0xe0 == 0x60:
		c.mt = c.mt&^0x1f | uint16(cmd&0x1f)
	default:
		return ErrNAK
	}
	return nil
}

// Read implements Chip.
func (c *BH1750) Read(b []byte) error {
	if c.Finish() {
		c.data = uint16(min(c.Lux*1.2*float64(c.mt)/69, 0xffff))
		if c.coarse {
			c.data /= 4
		}
		c.on = false
	}
	for i := range b {
		b[i] = byte(c.data >> (8 * (1 - i%2)))
	}
	return nil
}
