package i2ctest

// PCA9535 simulates an expander with registers for two ports, in pairs: input, output,
// polarity, direction. SCPS129 section 8.6.
type PCA9535 struct {
	Registers
	Outside uint16 // levels that the outside puts on inputs
}

// NewPCA9535 makes one after power-on: all pins are inputs.
func NewPCA9535(outside uint16) *PCA9535 {
	c := &PCA9535{Outside: outside}
	c.Modes = []byte{2, 3, 4, 5, 6, 7}
	c.OnPowerOn = func() {
		c.Put(2, 0xff, 0xff, 0, 0, 0xff, 0xff)
	}
	c.OnRead = func(reg byte) byte {
		if reg <= 1 { // the polarity is that of inputs
			return byte((c.Pins() ^ c.pair(4)&c.pair(6)) >> (8 * reg))
		}
		return c.Reg[reg]
	}
	c.Next = func(reg byte) byte { return reg ^ 1 }
	c.PowerOn()
	return c
}

func (c *PCA9535) pair(reg byte) uint16 { return uint16(c.Reg[reg]) | uint16(c.Reg[reg+1])<<8 }

// Pins returns the levels that the outside sees.
func (c *PCA9535) Pins() uint16 { return c.Outside&c.pair(6) | c.pair(2)&^c.pair(6) }
