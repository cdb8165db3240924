package i2ctest

// Expander simulates MCP23017 and PCA9535: registers for two ports.
type Expander struct {
	Registers
	Outside uint16 // levels that the outside puts on inputs

	dir, output, input byte
}

// NewMCP23017 simulates the MCP23017 with BANK = 0. DS20001952 table 3-5.
func NewMCP23017(outside uint16) *Expander { return newExpander(0x00, 0x14, 0x12, outside, 0) }

// NewPCA9535 simulates the PCA9535. SCPS129 section 8.6.
func NewPCA9535(outside uint16) *Expander { return newExpander(0x06, 0x02, 0x00, outside, 0xff) }

func newExpander(dir, output, input byte, outside uint16, outputReset byte) *Expander {
	c := &Expander{Outside: outside, dir: dir, output: output, input: input}
	c.OnPowerOn = func() {
		c.Put(dir, 0xff, 0xff)
		c.Put(output, outputReset, outputReset)
	}
	c.OnRead = func(reg byte) byte {
		if reg == input || reg == input+1 {
			return byte(c.Pins() >> (8 * (reg - input)))
		}
		return c.Reg[reg]
	}
	c.Next = func(reg byte) byte { return reg ^ 1 } // pairs
	c.PowerOn()
	return c
}

// Pins returns the levels that the outside sees.
func (c *Expander) Pins() uint16 {
	pair := func(reg byte) uint16 { return uint16(c.Reg[reg]) | uint16(c.Reg[reg+1])<<8 }
	in := pair(c.dir)
	return c.Outside&in | pair(c.output)&^in
}
