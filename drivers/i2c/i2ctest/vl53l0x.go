package i2ctest

import "time"

// VL53L0X simulates what the kernel's driver uses of the VL53L0X.
type VL53L0X struct {
	Registers
	Conversion
	Millimetres uint16
	Status      byte // 11 is a good range
	ID          byte
}

// NewVL53L0X makes one that sees something at a distance.
func NewVL53L0X(mm uint16) *VL53L0X {
	c := &VL53L0X{Millimetres: mm, Status: 11, ID: 0xee}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0xc0] = c.ID
	}
	c.Modes = []byte{0x09, 0x01, 0x00}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x0b:
			c.Reg[0x14] &^= 1
		case reg == 0x00 && v&3 != 0: // once, or over and over
			c.Start(33 * time.Millisecond)
		case reg == 0xbf && v == 0: // held in reset: VL53L0X_ResetDevice of ST's library
			c.PowerOn()
			c.Reg[0xc0] = 0
		case reg == 0xbf && v == 1:
			c.Reg[0xc0] = c.ID
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.Reg[0x14] = c.Status<<3 | 1
			mm := c.Millimetres
			if c.Reg[0x09]&1 != 0 { // quarters of a millimetre
				mm *= 4
			}
			c.Put(0x1e, byte(mm>>8), byte(mm))
			if c.Reg[0x00]&2 != 0 {
				c.Start(33 * time.Millisecond)
			}
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
