package i2ctest

// EMC2101 simulates the EMC2101. Adafruit's library and ESPHome's component have the registers.
type EMC2101 struct {
	Registers
	Turns   uint16 // counts of the tachometer
	Outside uint16 // with its bits at the top
	Inside  int8
	ID      byte
}

// NewEMC2101 makes one with a fan that turns at 1500 rpm.
func NewEMC2101() *EMC2101 {
	c := &EMC2101{Turns: 3600, Outside: 0x2d60, Inside: 31, ID: 0x16}
	c.Modes = []byte{0x03, 0x04, 0x4a, 0x4c, 0x4d, 0x4e}
	c.OnPowerOn = func() {
		c.Reg[0x04], c.Reg[0x05], c.Reg[0x07] = 0x08, 0x46, 0x46
		c.Reg[0x4a], c.Reg[0x4d], c.Reg[0x4e], c.Reg[0xfd], c.Reg[0xfe] = 0x20, 0x17, 0x01, c.ID, 0x5d
	}
	c.OnWrite = func(reg, v byte) {
		if reg == 0x4c && c.Reg[0x4a]&0x20 == 0 || reg >= 0xfd { // its table has the fan
			return
		}
		c.Reg[reg] = v
	}
	var held byte
	c.OnRead = func(reg byte) byte {
		switch reg {
		case 0x00:
			return byte(c.Inside)
		case 0x01:
			held = byte(c.Outside)
			return byte(c.Outside >> 8)
		case 0x10:
			return held
		case 0x46, 0x47:
			turns := c.Turns
			if c.Reg[0x03]&0x04 == 0 { // the pin is an output
				turns = 0xffff
			}
			if reg == 0x46 {
				held = byte(turns >> 8)
				return byte(turns)
			}
			return held
		}
		return c.Reg[reg]
	}
	c.Next = func(reg byte) byte { return reg }
	c.PowerOn()
	return c
}

// Duty is what the fan gets in %, as the chip is set.
func (c *EMC2101) Duty() float64 {
	v := min(float64(c.Reg[0x4c])/float64(2*c.Reg[0x4d])*100, 100)
	if c.Reg[0x4a]&0x10 != 0 {
		v = 100 - v
	}
	return v
}
