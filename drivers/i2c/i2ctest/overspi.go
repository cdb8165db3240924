package i2ctest

import "math/rand/v2"

// OverSPI is a simulator with registers, wired to SPI: a chip for package spitest.
type OverSPI struct {
	Chip Chip
	// Read is set in the first byte of a reading transfer, Burst if it reads on. High is set
	// in every register's number on I2C, and not sent on SPI.
	Read, Burst, High byte
	// Pairs is that a writing transfer is made of pairs of a register and its value.
	Pairs bool
	// Dummy is how many bytes a chip sends before what was asked for.
	Dummy int
	// ThreeWire reports that the chip is set to answer on the wire that it listens on: then
	// nothing is read.
	ThreeWire func() bool
}

// Transfer implements spitest.Chip.
func (c OverSPI) Transfer(w []byte) []byte {
	r := make([]byte, len(w)) // nobody drives the line while the chip listens
	reg := w[0]&^(c.Read|c.Burst) | c.High
	switch {
	case w[0]&c.Read == 0 && c.Pairs:
		for i := 0; i+1 < len(w); i += 2 {
			_ = c.Chip.Write([]byte{w[i]&^c.Read | c.High, w[i+1]})
		}
	case w[0]&c.Read == 0 && c.Burst != 0 && w[0]&c.Burst == 0:
		for _, v := range w[1:] { // without the bit it writes one register again and again
			_ = c.Chip.Write([]byte{reg, v})
		}
	case w[0]&c.Read == 0:
		_ = c.Chip.Write(append([]byte{reg}, w[1:]...))
	case c.ThreeWire != nil && c.ThreeWire():
	default:
		n := len(w)
		if c.Burst != 0 && w[0]&c.Burst == 0 {
			n = min(n, 2) // without the bit it reads one register again and again, and we see the first
		}
		_ = c.Chip.Write([]byte{reg})
		if from := 1 + c.Dummy; from < n {
			_ = c.Chip.Read(r[from:n])
		}
	}
	return r
}

// PowerOn implements spitest.Chip.
func (c OverSPI) PowerOn() { c.Chip.PowerOn() }

// Leave implements spitest.Chip.
func (c OverSPI) Leave(r *rand.Rand) {
	if l, ok := c.Chip.(Leaver); ok {
		l.Leave(r)
	}
}

// MCP23S17 is the MCP23017's simulator on SPI at an address. DS20001952 section 3.3.2.
type MCP23S17 struct {
	*MCP23017
	Address byte
}

// Transfer implements spitest.Chip. Without HAEN (IOCON bit 3) it answers at address 0.
func (c MCP23S17) Transfer(w []byte) []byte {
	r := make([]byte, len(w))
	at := byte(0)
	if c.Reg[mcpConfig]&0x08 != 0 {
		at = c.Address
	}
	if len(w) < 2 || w[0]&^1 != 0x40|at<<1 {
		return r
	}
	if w[0]&1 == 0 {
		_ = c.Write(w[1:])
		return r
	}
	_ = c.Write(w[1:2])
	_ = c.Read(r[2:])
	return r
}
