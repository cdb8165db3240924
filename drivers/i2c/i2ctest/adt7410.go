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
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.Put(0, byte(c.Raw>>8), byte(c.Raw))
			c.Start(240 * time.Millisecond)
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
