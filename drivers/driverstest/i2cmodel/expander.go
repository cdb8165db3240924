package i2cmodel

// PCF models PCF8574 and PCF8575: no registers, a written one is a weak pull-up.
// SCPS068 section 8.3.
type PCF struct {
	Ports int
	Low   uint16 // pins that something outside pulls low
	latch uint16
}

// PowerOn implements driverstest.I2CChip.
func (c *PCF) PowerOn() { c.latch = 0xffff }

// Write implements driverstest.I2CChip.
func (c *PCF) Write(b []byte) error {
	for i, v := range b {
		shift := 8 * (i % c.Ports)
		c.latch = c.latch&^(0xff<<shift) | uint16(v)<<shift
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *PCF) Read(b []byte) error {
	for i := range b {
		b[i] = byte((c.latch &^ c.Low) >> (8 * (i % c.Ports)))
	}
	return nil
}

// Pins gives the levels that the outside sees.
func (c *PCF) Pins() uint16 { return c.latch &^ c.Low }

// Expander models MCP23017 and PCA9535: registers for two ports.
type Expander struct {
	Registers
	Outside uint16 // levels that the outside gives inputs

	dir, output, input byte
}

// NewMCP23017 models the MCP23017 with BANK = 0. DS20001952 table 3-5.
func NewMCP23017(outside uint16) *Expander { return newExpander(0x00, 0x14, 0x12, outside, 0) }

// NewPCA9535 models the PCA9535. SCPS129 section 8.6.
func NewPCA9535(outside uint16) *Expander { return newExpander(0x06, 0x02, 0x00, outside, 0xff) }

func newExpander(dir, output, input byte, outside uint16, outputReset byte) *Expander {
	c := &Expander{Outside: outside, dir: dir, output: output, input: input}
	c.reset = func() {
		c.Put(dir, 0xff, 0xff)
		c.Put(output, outputReset, outputReset)
	}
	c.read = func(reg byte) byte {
		if reg == input || reg == input+1 {
			return byte(c.Pins() >> (8 * (reg - input)))
		}
		return c.Reg[reg]
	}
	c.next = func(reg byte) byte { return reg ^ 1 } // pairs
	c.PowerOn()
	return c
}

// Pins gives the levels that the outside sees.
func (c *Expander) Pins() uint16 {
	pair := func(reg byte) uint16 { return uint16(c.Reg[reg]) | uint16(c.Reg[reg+1])<<8 }
	in := pair(c.dir)
	return c.Outside&in | pair(c.output)&^in
}
