package i2ctest

import (
	"math/rand/v2"
	"time"
)

// Thermometer is a chip with 16-bit registers whose register holds Raw once it has
// converted.
type Thermometer struct {
	Words
	Conversion
	Raw uint16
	IDs map[byte]uint16

	temp   byte                    // the register of the temperature
	asleep func() bool             // shut down: the register keeps what it has; nil: never
	shown  func(raw uint16) uint16 // in the resolution that is set; nil: as it is
}

// Leave implements Leaver: yesterday it was a degree warmer.
func (c *Thermometer) Leave(r *rand.Rand) {
	c.Finish()
	c.Reg[c.temp] = c.Raw + 0x0100
	c.Words.Leave(r)
}

// newThermometer makes one that converts on its own; until the first conversion its
// register holds none.
func newThermometer(reg byte, raw, none uint16, takes time.Duration, ids, initial map[byte]uint16) *Thermometer {
	c := &Thermometer{Raw: raw, IDs: ids, temp: reg}
	c.OnPowerOn = func() {
		c.Abort()
		for r, v := range initial {
			c.Reg[r] = v
		}
		c.Reg[reg] = none
		c.Start(takes)
	}
	c.OnWrite = func(r byte, v uint16) {
		if _, ro := c.IDs[r]; ro || r == reg {
			return
		}
		c.Reg[r] = v
		if c.asleep != nil && c.asleep() {
			c.Abort()
		} else if !c.Running() {
			c.Start(takes)
		}
	}
	c.OnRead = func(r byte) uint16 {
		if c.Finish() {
			c.Reg[reg] = c.Raw
			if c.shown != nil {
				c.Reg[reg] = c.shown(c.Raw)
			}
			c.Start(takes)
		}
		if id, ok := c.IDs[r]; ok {
			return id
		}
		return c.Reg[r]
	}
	c.PowerOn()
	return c
}

// NewLM75 simulates the LM75 and its many relatives, whose configuration is a byte. SNIS153
// section 7.6.
func NewLM75(raw uint16) *Thermometer {
	c := newThermometer(0, raw, 0, 250*time.Millisecond, nil, map[byte]uint16{2: 0x4b00, 3: 0x5000})
	c.Narrow, c.Modes = []byte{1}, []byte{1, 2, 3}
	c.asleep = func() bool { return c.Reg[1]&1 != 0 }
	return c
}

// NewTMP75 simulates TMP75 and DS75, which have a resolution to choose. SBOS288 section
// 6.5.3.
func NewTMP75(raw uint16) *Thermometer {
	c := NewLM75(raw)
	c.shown = func(raw uint16) uint16 { return raw &^ (0x007f >> (c.Reg[1] >> 5 & 3)) }
	return c
}

// NewMCP9808 simulates the MCP9808, with shutdown, resolution and locks. DS25095 section 5.
func NewMCP9808(raw uint16) *Thermometer {
	c := newThermometer(5, raw, 0, 250*time.Millisecond, map[byte]uint16{6: 0x0054, 7: 0x0400}, map[byte]uint16{8: 3})
	c.Narrow, c.Modes = []byte{8}, []byte{1, 2, 3, 4, 8}
	c.asleep = func() bool { return c.Reg[1]&0x0100 != 0 }
	c.shown = func(raw uint16) uint16 { return raw &^ (0x0007 >> (c.Reg[8] & 3)) }
	store := c.OnWrite
	c.OnWrite = func(reg byte, v uint16) {
		switch locks := c.Reg[1] & 0x00c0; {
		case reg == 1: // register 5-2: a lock can be set and not taken off
			v |= locks
		case reg == 4 && locks&0x0080 != 0, (reg == 2 || reg == 3) && locks&0x0040 != 0:
			return
		case reg == 4:
			v &= 0x1ffc
		}
		store(reg, v)
		if reg == 1 && v&0x00c0 != 0 && c.Reg[4] == 0 {
			c.Reg[4] = 0x0500 // nobody locks a limit that was not set
		}
	}
	return c
}
