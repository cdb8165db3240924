package i2ctest

// Expander8 simulates expanders of one port with registers: MCP23008 and PCA9554.
type Expander8 struct {
	Registers
	Outside byte // levels that the outside puts on inputs

	dir, invert, latch byte // registers
}

// newExpander8 makes one whose registers are there; reset are the values after power-on.
func newExpander8(outside, input, dir, invert, latch byte, modes []byte, reset map[byte]byte) *Expander8 {
	c := &Expander8{Outside: outside, dir: dir, invert: invert, latch: latch}
	c.Modes = modes
	c.OnPowerOn = func() {
		for reg, v := range reset {
			c.Reg[reg] = v
		}
	}
	c.OnWrite = func(reg, v byte) {
		if reg != input {
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg == input { // the polarity is that of inputs
			return byte(c.Pins()) ^ c.Reg[invert]&c.Reg[dir]
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// NewMCP23008 simulates the MCP23008.
func NewMCP23008(outside byte) *Expander8 {
	return newExpander8(outside, 0x09, 0x00, 0x01, 0x0a, []byte{0, 1, 2, 4, 5, 6, 0x0a}, map[byte]byte{0x00: 0xff})
}

// NewPCA9554 simulates the PCA9554.
func NewPCA9554(outside byte) *Expander8 {
	return newExpander8(outside, 0x00, 0x03, 0x02, 0x01, []byte{1, 2, 3}, map[byte]byte{0x01: 0xff, 0x03: 0xff})
}

// Pins returns the levels that the outside sees.
func (c *Expander8) Pins() uint16 {
	in := c.Reg[c.dir]
	return uint16(c.Outside&in | c.Reg[c.latch]&^in)
}
