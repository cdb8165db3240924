package i2ctest

import "time"

// BMP180 simulates Bosch's BMP180. BST-BMP180-DS000 section 4.
type BMP180 struct {
	Registers
	Conversion
	ID          byte
	Calibration []byte // 22 bytes from 0xaa
	UT, UP      uint32 // as the Conversion leaves them at 0xf6, 24 bits
}

// NewBMP180 makes one.
func NewBMP180(calibration []byte, ut, up uint32) *BMP180 {
	c := &BMP180{ID: 0x55, Calibration: calibration, UT: ut, UP: up}
	c.OnPowerOn = func() {
		c.Abort()
		c.Put(0xd0, c.ID)
		c.Put(0xaa, c.Calibration...)
		c.Put(0xf6, 0x80)
	}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0xf4 && v&0x20 != 0 {
			c.Start(map[bool]time.Duration{true: 4500 * time.Microsecond, false: 23500 * time.Microsecond}[v == 0x2e])
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			v := c.UP
			if c.Reg[0xf4] == 0x2e {
				v = c.UT
			}
			c.Reg[0xf4] &^= 0x20
			c.Put(0xf6, byte(v>>16), byte(v>>8), byte(v))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
