package i2ctest

// AS3935 hears lightning.
type AS3935 struct {
	Registers
	Interrupt byte // reported once: 8 lightning, 1 noise
	Deaf      bool // its oscillators cannot be calibrated
}

// NewAS3935 simulates the AS3935's registers; what it heard is put into them.
func NewAS3935() *AS3935 {
	c := &AS3935{}
	c.Modes = []byte{0x00, 0x01, 0x02, 0x03, 0x08}
	c.OnPowerOn = func() { c.Put(0x00, 0x24, 0x22, 0xc2, 0x00) }
	// Direct commands, and the two halves of a calibration: data sheet "RCO calibration".
	c.OnWrite = func(reg, v byte) {
		done := byte(0x80)
		if c.Deaf {
			done = 0x40
		}
		switch shown := c.Reg[0x08]&0x20 != 0; {
		case reg == 0x3d && v == 0x96:
			c.Reg[0x3a] = done
		case reg == 0x08 && shown && v&0x20 == 0 && c.Reg[0x3a] != 0:
			c.Reg[0x3b] = done
		}
		if reg < 0x3a {
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		v := c.Reg[reg]
		if reg == 0x03 {
			v |= c.Interrupt
			c.Interrupt = 0
		}
		return v
	}
	c.PowerOn()
	return c
}
