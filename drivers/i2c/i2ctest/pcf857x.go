package i2ctest

import "math/rand/v2"

// PCF simulates PCF8574 and PCF8575: no registers, a written one is a weak pull-up.
// SCPS068 section 8.3.
type PCF struct {
	Ports int
	Low   uint16 // pins that something outside pulls low
	latch uint16
}

// PowerOn implements Chip.
func (c *PCF) PowerOn() { c.latch = 0xffff }

// Leave implements Leaver.
func (c *PCF) Leave(r *rand.Rand) { c.latch = uint16(r.Uint32()) }

// Write implements Chip.
func (c *PCF) Write(b []byte) error {
	for i, v := range b {
		shift := 8 * (i % c.Ports)
		c.latch = c.latch&^(0xff<<shift) | uint16(v)<<shift
	}
	return nil
}

// Read implements Chip.
func (c *PCF) Read(b []byte) error {
	for i := range b {
		b[i] = byte((c.latch &^ c.Low) >> (8 * (i % c.Ports)))
	}
	return nil
}

// Pins returns the levels that the outside sees.
func (c *PCF) Pins() uint16 { return c.latch &^ c.Low }
