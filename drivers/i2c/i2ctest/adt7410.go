package i2ctest

import "time"

// Thermal8 is a thermometer with 8-bit registers.
type Thermal8 struct {
	Registers
	Conversion
	Raw uint16
	ID  byte
}

// NewADT7410 simulates the ADT7410, whose registers are bytes.
func NewADT7410(raw uint16) *Thermal8 {
	c := &Thermal8{Raw: raw, ID: 0xcb}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x0b] = c.ID
		c.Start(240 * time.Millisecond)
	}
	c.Modes = []byte{0x03, 0x04, 0x06, 0x08}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x03 {
			c.Start(240 * time.Millisecond)
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Reg[0x03]&0x60 == 0x60 { // shut down
			c.Abort()
		}
		if c.Finish() {
			raw := c.Raw
			if c.Reg[0x03]&0x80 == 0 { // 13 bits, and flags below
				raw = raw&^7 | 5
			}
			c.Put(0, byte(raw>>8), byte(raw))
			if c.Reg[0x03]&0x60 != 0x20 { // one shot
				c.Start(240 * time.Millisecond)
			}
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
