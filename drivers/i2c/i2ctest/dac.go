package i2ctest

import "math/rand/v2"

// DAC simulates MCP4725 and MCP4728: codes of twelve bits, that come back from an EEPROM
// with the power. esp-idf-lib's mcp4725 and the kernel's mcp4728.c have the commands.
type DAC struct {
	Outputs int
	Stored  [4]uint16 // in the EEPROM, with what stands above the code
	Now     [4]uint16
}

// NewDAC makes one of so many outputs.
func NewDAC(outputs int) *DAC {
	c := &DAC{Outputs: outputs, Stored: [4]uint16{0x800, 0x7ff, 0x123, 0x456}}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *DAC) PowerOn() { c.Now = c.Stored }

// Leave implements Leaver.
func (c *DAC) Leave(r *rand.Rand) {
	for n := range c.Now {
		c.Now[n] = uint16(r.Uint32()) & 0xf7ff
	}
}

// Write implements Chip.
func (c *DAC) Write(b []byte) error {
	switch {
	case len(b) != 3 || b[0]&0xf8 != 0x40:
		return nil
	case c.Outputs == 1:
		c.Now[0] = uint16(b[0]&0x06)<<12 | uint16(b[1])<<4 | uint16(b[2])>>4
	default:
		c.Now[b[0]>>1&3] = uint16(b[1])<<8 | uint16(b[2])
	}
	return nil
}

// Read implements Chip.
func (c *DAC) Read(b []byte) error {
	out := []byte{0x80 | byte(c.Now[0]>>12)&0x06, byte(c.Now[0] >> 4), byte(c.Now[0] << 4), byte(c.Stored[0] >> 8), byte(c.Stored[0])}
	if c.Outputs > 1 {
		out = nil
		for n := range c.Now {
			for _, v := range []uint16{c.Now[n], c.Stored[n]} {
				out = append(out, 0x80|byte(n)<<4, byte(v>>8), byte(v))
			}
		}
	}
	for i := range b {
		b[i] = out[i%len(out)]
	}
	return nil
}

// NewPCA9685 simulates the PCA9685: registers that follow each other only if their mode says
// so, and a frequency that is only taken asleep.
func NewPCA9685() *Registers {
	c := &Registers{Modes: []byte{0x00, 0x01, 0x09, 0x0d, 0xfe}}
	c.OnPowerOn = func() {
		c.Reg[0x00], c.Reg[0x01], c.Reg[0xfe] = 0x11, 0x04, 0x1e
		for n := range 16 {
			c.Reg[0x09+4*n] = 0x10
		}
	}
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0xfe && c.Reg[0]&0x10 == 0: // awake
		case reg == 0x00:
			c.Reg[0] = v &^ 0x80
		case reg < 0x46 || reg >= 0xfa:
			c.Reg[reg] = v
		}
	}
	c.Next = func(reg byte) byte {
		if c.Reg[0]&0x20 == 0 {
			return reg
		}
		return reg + 1
	}
	c.PowerOn()
	return c
}
