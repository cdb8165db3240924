package i2ctest

import (
	"bytes"
	"math/rand/v2"
)

// Words simulates a chip with a pointer register and 16-bit registers, high byte first.
type Words struct {
	Reg map[byte]uint16

	OnPowerOn func()                   // puts the reset values into Reg
	OnWrite   func(reg byte, v uint16) // instead of storing v
	OnRead    func(reg byte) uint16    // instead of Reg[reg]
	Narrow    []byte                   // registers of one byte
	// Modes are the registers that Leave writes anything to.
	Modes []byte
	ptr   byte
}

// Leave implements Leaver: each of Modes has any value, or the one that it had.
func (c *Words) Leave(r *rand.Rand) {
	for _, reg := range c.Modes {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{reg, byte(r.Uint32()), byte(r.Uint32())})
		}
	}
}

// PowerOn implements Chip.
func (c *Words) PowerOn() {
	c.Reg, c.ptr = map[byte]uint16{}, 0
	if c.OnPowerOn != nil {
		c.OnPowerOn()
	}
}

// Write implements Chip.
func (c *Words) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) < 2 || len(b) < 3 && !c.narrow() {
		return nil
	}
	v := uint16(b[1])
	if !c.narrow() {
		v = v<<8 | uint16(b[2])
	}
	if c.OnWrite != nil {
		c.OnWrite(c.ptr, v)
	} else {
		c.Reg[c.ptr] = v
	}
	return nil
}

// Read implements Chip. A register is sent over and over.
func (c *Words) Read(b []byte) error {
	v := c.Reg[c.ptr]
	if c.OnRead != nil {
		v = c.OnRead(c.ptr)
	}
	for i := range b {
		b[i] = byte(v >> (8 * (1 - i%2)))
		if c.narrow() {
			b[i] = byte(v)
		}
	}
	return nil
}

func (c *Words) narrow() bool { return bytes.IndexByte(c.Narrow, c.ptr) >= 0 }
