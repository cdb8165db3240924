package i2ctest

import "time"

// QMP6988 simulates QST's barometer, asleep after power-on. ESPHome's component and
// esp-idf-lib's qmp6988 have the registers.
type QMP6988 struct {
	Registers
	Conversion
	Coefficients []byte
	P, T         uint32 // raw
	ID           byte
}

// NewQMP6988 makes one with these coefficients and raw numbers.
func NewQMP6988(coefficients []byte, p, t uint32) *QMP6988 {
	c := &QMP6988{Coefficients: coefficients, P: p, T: t, ID: 0x5c}
	c.Modes = []byte{0xf1, 0xf4}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0xd1] = c.ID
		c.Put(0xa0, c.Coefficients...)
	}
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0xe0 && v == 0xe6:
			c.PowerOn()
		case reg == 0xf4:
			if c.Reg[reg] = v; v&3 != 0 {
				c.Start(11 * time.Millisecond)
			}
		case reg == 0xf1:
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			p := c.P
			if c.Reg[0xf1] != 0 || c.Reg[0xf4]>>2&7 == 0 || c.Reg[0xf4]>>5 == 0 { // a mean with what was before; nothing measured
				p = 0
			}
			c.Put(0xf7, byte(p>>16), byte(p>>8), byte(p), byte(c.T>>16), byte(c.T>>8), byte(c.T))
			if c.Reg[0xf4]&3 == 3 {
				c.Start(20 * time.Millisecond)
			} else {
				c.Reg[0xf4] &^= 3
			}
		}
		if reg == 0xf3 && c.Running() && c.Reg[0xf4]&3 != 3 {
			return 0x08
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
