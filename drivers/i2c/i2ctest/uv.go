package i2ctest

import (
	"math/rand/v2"
	"time"
)

// VEML6075 simulates the VEML6075: registers of 16 bits, low byte first. The kernel's
// veml6075.c has them.
type VEML6075 struct {
	Conversion
	Light [4]uint16 // of 100 ms: UVA, UVB, visible, infrared
	ID    uint16

	reg [16]uint16
	ptr byte
}

// NewVEML6075 makes one in this light.
func NewVEML6075(uva, uvb, visible, infrared uint16) *VEML6075 {
	c := &VEML6075{Light: [4]uint16{uva, uvb, visible, infrared}, ID: 0x0026}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *VEML6075) PowerOn() {
	c.Abort()
	c.reg, c.ptr = [16]uint16{0: 1, 12: c.ID}, 0
}

// Leave implements Leaver.
func (c *VEML6075) Leave(r *rand.Rand) {
	if r.IntN(2) == 0 {
		_ = c.Write([]byte{0, byte(r.Uint32()), 0})
	}
	for _, reg := range []byte{7, 9, 10, 11} { // of yesterday's light
		c.reg[reg] = uint16(r.Uint32())
	}
}

// Write implements Chip.
func (c *VEML6075) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if c.ptr = b[0] & 15; len(b) == 3 && c.ptr == 0 {
		c.reg[0] = uint16(b[1]) | uint16(b[2])<<8
		if c.Abort(); b[1]&1 == 0 && (b[1]&2 == 0 || b[1]&4 != 0) {
			c.Start(50 * time.Millisecond * 14 / 10 << (b[1] >> 4 & 7))
		}
	}
	return nil
}

// Read implements Chip.
func (c *VEML6075) Read(b []byte) error {
	if c.Finish() {
		for i, reg := range []byte{7, 9, 10, 11} {
			v := uint32(c.Light[i]) << (c.reg[0] >> 4 & 7) / 2
			if c.reg[0]&8 != 0 {
				v /= 2
			}
			c.reg[reg] = uint16(min(v, 0xffff))
		}
	}
	for i := range b {
		b[i] = byte(c.reg[c.ptr] >> (8 * (i % 2)))
	}
	return nil
}

// VEML6070 simulates the VEML6070, which has two addresses and nothing to ask but light: this is
// the one of the high byte. The kernel's veml6070.c has the command.
type VEML6070 struct {
	Conversion
	Steps uint16 // of 125 ms

	config byte
	data   uint16
}

// NewVEML6070 makes one in this light, off after power-on.
func NewVEML6070(steps uint16) *VEML6070 {
	c := &VEML6070{Steps: steps}
	c.PowerOn()
	return c
}

// Beside is its other address.
func (c *VEML6070) Beside() (uint16, Chip) { return 0x38, vemlLow{c} }

// PowerOn implements Chip.
func (c *VEML6070) PowerOn() {
	c.Abort()
	c.config, c.data = 0x03, 0
}

// Leave implements Leaver.
func (c *VEML6070) Leave(r *rand.Rand) { _ = vemlLow{c}.Write([]byte{byte(r.Uint32()) | 2}) }

// Write implements Chip.
func (c *VEML6070) Write([]byte) error { return nil }

// Read implements Chip.
func (c *VEML6070) Read(b []byte) error {
	if c.Finish() {
		c.data = uint16(min(uint32(c.Steps)<<(c.config>>2&3)/2, 0xffff))
	}
	for i := range b {
		b[i] = byte(c.data >> 8)
	}
	return nil
}

// vemlLow is the address of the command and the low byte.
type vemlLow struct{ c *VEML6070 }

// PowerOn implements Chip.
func (l vemlLow) PowerOn() { l.c.PowerOn() }

// Write implements Chip.
func (l vemlLow) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	l.c.config = b[0]
	if l.c.Abort(); b[0]&1 == 0 {
		l.c.Start(125 * time.Millisecond / 2 << (b[0] >> 2 & 3))
	}
	return nil
}

// Read implements Chip.
func (l vemlLow) Read(b []byte) error {
	err := l.c.Read(b)
	for i := range b {
		b[i] = byte(l.c.data)
	}
	return err
}
