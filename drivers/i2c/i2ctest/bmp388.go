package i2ctest

import "time"

// BMP388 simulates Bosch's BMP388 and BMP390. BST-BMP388-DS001 section 4.
type BMP388 struct {
	Registers
	Conversion
	ID          byte
	Calibration []byte // 21 bytes from 0x31
	UT, UP      uint32
	ready       bool
}

// NewBMP388 makes one.
func NewBMP388(calibration []byte, ut, up uint32) *BMP388 {
	c := &BMP388{ID: 0x50, Calibration: calibration, UT: ut, UP: up}
	c.OnPowerOn = func() {
		c.Abort()
		c.ready = false
		c.Put(0x00, c.ID)
		c.Put(0x31, c.Calibration...)
		c.Put(0x04, 0, 0, 0x80, 0, 0, 0x80)
		c.Reg[0x1c] = 0x02 // osr
	}
	c.Modes = []byte{0x1c, 0x1f, 0x1b}
	c.OnWrite = func(reg, v byte) {
		if reg == 0x1b && c.Reg[reg]&0x30 == 0x30 && v&0x30 != 0 {
			v |= 0x30 // normal mode is left by way of sleep only: section 3.3
		}
		c.Reg[reg] = v
		if reg == 0x1b {
			c.Abort()
			if v&0x30 != 0 {
				c.ready = false
				n := time.Duration(1)<<(c.Reg[0x1c]&7) + time.Duration(1)<<(c.Reg[0x1c]>>3&7)
				c.Start((234 + 392 + 163 + 2020*n) * time.Microsecond)
			}
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.ready = true
			ut := c.UT
			if c.Reg[0x1f]>>1&7 != 0 { // the filter holds on to what was
				ut -= 1 << 16
			}
			c.Put(0x04, byte(c.UP), byte(c.UP>>8), byte(c.UP>>16), byte(ut), byte(ut>>8), byte(ut>>16))
			if c.Reg[0x1b]&0x30 == 0x30 {
				c.Start(10 * time.Millisecond)
			} else {
				c.Reg[0x1b] &^= 0x30
			}
		}
		if reg == 0x03 {
			if c.ready {
				return 0x70
			}
			return 0x10
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
