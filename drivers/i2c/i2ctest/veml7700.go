package i2ctest

import (
	"math/rand/v2"
	"time"
)

// VEML7700 simulates the VEML7700: 16-bit registers, low byte first.
type VEML7700 struct {
	Conversion
	Lux float64

	reg [8]uint16
	ptr byte
}

// NewVEML7700 makes one in this light, of which it counts what its data sheet states,
// before its non-linearity.
func NewVEML7700(lux float64) *VEML7700 {
	c := &VEML7700{Lux: lux}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *VEML7700) PowerOn() {
	c.Abort()
	c.reg, c.ptr = [8]uint16{0: 1}, 0
}

// Leave implements Leaver.
func (c *VEML7700) Leave(r *rand.Rand) {
	for _, reg := range []byte{0, 1, 2, 3} {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{reg, byte(r.Uint32()), byte(r.Uint32())})
		}
	}
	c.reg[4] = uint16(r.Uint32()) // of yesterday's light
}

// Write implements Chip.
func (c *VEML7700) Write(b []byte) error {
	c.ptr = b[0] & 7
	if len(b) == 3 {
		c.reg[c.ptr] = uint16(b[1]) | uint16(b[2])<<8
		if c.ptr == 0 && b[1]&1 == 0 {
			c.Start(c.exposure() + 3*time.Millisecond + c.pause())
		}
	}
	return nil
}

// pause is what the power saving mode adds: 0.5, 1, 2 or 4 s. Register 3.
func (c *VEML7700) pause() time.Duration {
	if c.reg[3]&1 == 0 {
		return 0
	}
	return 500 * time.Millisecond << (c.reg[3] >> 1 & 3)
}

func (c *VEML7700) exposure() time.Duration {
	return map[uint16]time.Duration{12: 25, 8: 50, 0: 100, 1: 200, 2: 400, 3: 800}[c.reg[0]>>6&15] * time.Millisecond
}

// Read implements Chip.
func (c *VEML7700) Read(b []byte) error {
	if c.Finish() {
		gain := []float64{1, 2, 0.125, 0.25}[c.reg[0]>>11&3]
		perLux := gain / 2 * float64(c.exposure()/time.Millisecond) / 800 / 0.0042
		c.reg[4] = uint16(min(c.Lux*perLux, 0xffff))
	}
	for i := range b {
		b[i] = byte(c.reg[c.ptr] >> (8 * (i % 2)))
	}
	return nil
}
