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
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x0b:
			c.Reg[0x14] &^= 1
		case reg == 0x00 && v == 1:
			c.Start(33 * time.Millisecond)
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.Reg[0x14] = c.Status<<3 | 1
			c.Put(0x1e, byte(c.Millimetres>>8), byte(c.Millimetres))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
