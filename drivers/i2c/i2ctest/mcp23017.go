package i2ctest

// Registers of the MCP23017, of port A; port B's are one further in our file, whatever bank
// the chip is in. DS20001952 tables 3-1 and 3-2.
const (
	mcpDir    = 0x00
	mcpInvert = 0x02
	mcpConfig = 0x0a // one for both ports
	mcpPull   = 0x0c
	mcpPort   = 0x12
	mcpLatch  = 0x14

	mcpBank       = 0x80 // of the configuration: the registers of a port follow each other
	mcpSequential = 0x20 // off: the pointer does not move on
)

// MCP23017 simulates the expander with both of its register maps.
type MCP23017 struct {
	Registers
	Outside uint16 // levels that the outside puts on inputs
}

// NewMCP23017 makes one after power-on: all pins are inputs, BANK is 0.
func NewMCP23017(outside uint16) *MCP23017 {
	c := &MCP23017{Outside: outside}
	c.Modes = []byte{mcpDir, mcpDir + 1, mcpInvert, mcpInvert + 1, 0x04, 0x05, mcpPull, mcpPull + 1, mcpLatch, mcpLatch + 1, mcpConfig}
	c.OnPowerOn = func() { c.Put(mcpDir, 0xff, 0xff) }
	c.OnWrite = func(addr, v byte) {
		switch reg, ok := c.reg(addr); {
		case !ok:
		case reg&^1 == mcpConfig:
			c.Put(mcpConfig, v&^1, v&^1) // bit 0 is not implemented
		case reg&^1 == mcpPort: // which writes the latch
			c.Reg[reg+2] = v
		default:
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(addr byte) byte {
		reg, ok := c.reg(addr)
		switch {
		case !ok:
			return 0
		case reg&^1 == mcpPort:
			return byte((c.Pins() ^ c.pair(mcpInvert)) >> (8 * (reg & 1)))
		}
		return c.Reg[reg]
	}
	c.Next = func(addr byte) byte {
		switch c.Reg[mcpConfig] & (mcpBank | mcpSequential) {
		case mcpSequential: // the pair, back and forth
			return addr ^ 1
		case mcpBank | mcpSequential:
			return addr
		}
		return addr + 1
	}
	c.PowerOn()
	return c
}

// reg is where our file has what the chip has at addr now.
func (c *MCP23017) reg(addr byte) (reg byte, ok bool) {
	if c.Reg[mcpConfig]&mcpBank == 0 {
		return addr, addr <= mcpLatch+1
	}
	return addr&0x0f<<1 | addr>>4&1, addr&0x0f <= 0x0a && addr < 0x20
}

func (c *MCP23017) pair(reg byte) uint16 { return uint16(c.Reg[reg]) | uint16(c.Reg[reg+1])<<8 }

// Pins returns the levels that the outside sees.
func (c *MCP23017) Pins() uint16 {
	in := c.pair(mcpDir)
	return c.Outside&in | c.pair(mcpLatch)&^in
}
