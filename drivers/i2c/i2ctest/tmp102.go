package i2ctest

import "time"

// NewTMP102 simulates TMP102 and TMP112. SBOS397 section 6.5.
func NewTMP102(raw uint16) *Thermometer {
	c := &Thermometer{Raw: raw}
	c.Modes = []byte{1, 2, 3}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0], c.Reg[1], c.Reg[2], c.Reg[3] = 0, 0x60a0, 0x4b00, 0x5000
		c.Start(26 * time.Millisecond) // it converts on its own
	}
	c.OnWrite = func(reg byte, v uint16) {
		if reg == 1 {
			c.Reg[1] = v&0x9fdf | 0x6020
			if v&0x8100 == 0x8100 {
				c.Start(26 * time.Millisecond)
			}
			return
		}
		c.Reg[reg] = v
	}
	c.OnRead = func(reg byte) uint16 {
		if c.Finish() {
			c.Reg[0] = c.Raw
			if c.Reg[1]&0x0010 != 0 { // extended mode, section 6.4.3
				c.Reg[0] = uint16(int16(c.Raw)>>1)&^7 | 1
			}
		}
		if reg == 1 {
			v := c.Reg[1] &^ 0x8000
			if c.Reg[1]&0x0100 != 0 && !c.Running() {
				v |= 0x8000
			}
			return v
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
