package i2ctest

import "time"

// NewLSM6DS simulates ST's LSM6DS3 and relatives, off after power-on: counts of 0.488 mg. The
// kernel's st_lsm6dsx_core.c has the registers.
func NewLSM6DS(id byte, amplitude, gravity float64, t int16) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: id, idReg: 0x0f, began: time.Now()}
	c.Modes = []byte{0x10, 0x12, 0x17}
	c.OnPowerOn = func() { c.Reg[0x0f], c.Reg[0x12] = c.ID, 0x04 }
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0x12 && v&1 != 0:
			c.PowerOn()
		case reg != 0x0f && (reg < 0x1a || reg > 0x2d):
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg < 0x20 || reg > 0x2d || c.Reg[0x10]>>4 == 0 {
			return c.Reg[reg]
		}
		var v int16
		switch i := (reg - 0x20) / 2; {
		case i == 0:
			v = t
		case i >= 4:
			v = c.counts()[i-4]
			if full := c.Reg[0x10] >> 2 & 3; full != 1 || c.Reg[0x17]&2 != 0 { // not 16 g
				v *= 2
			}
			if c.Reg[0x17]&0x04 != 0 { // a filter takes gravity away
				v = 0
			}
		}
		return byte(uint16(v) >> (8 * (reg & 1)))
	}
	c.Next = func(reg byte) byte { return reg + c.Reg[0x12]>>2&1 }
	c.PowerOn()
	return c
}

// NewBMI160 simulates the BMI160, asleep after power-on: counts of 1/2048 g. The kernel's
// bmi160_core.c has the registers.
func NewBMI160(amplitude, gravity float64, t int16) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0xd1, idReg: 0x00, began: time.Now()}
	c.Modes = []byte{0x40, 0x41}
	awake := false
	c.OnPowerOn = func() { c.Reg[0x00], c.Reg[0x40], c.Reg[0x41], awake = c.ID, 0x28, 0x03, false }
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0x7e && v == 0xb6:
			c.PowerOn()
		case reg == 0x7e && v&0xfc == 0x10:
			awake = v&3 == 1
		case reg >= 0x40 && reg < 0x7e:
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		v := uint16(t)
		switch {
		case reg < 0x12 || reg > 0x21 || reg > 0x17 && reg < 0x20:
			return c.Reg[reg]
		case !awake:
			v = 0x8000
		case reg < 0x20:
			v = uint16(c.counts()[(reg-0x12)/2])
			if c.Reg[0x41] != 0x0c {
				v *= 2
			}
		}
		return byte(v >> (8 * (reg & 1)))
	}
	c.PowerOn()
	return c
}

// BNO055 simulates the BNO055: settings that are taken in one mode, and angles that come in
// another. Adafruit's library has the registers.
type BNO055 struct {
	Registers
	Angles      [3]int16 // heading, roll, pitch, in 16ths of a degree
	Calibration byte
	State       [2]byte
	ID          byte
}

// NewBNO055 makes one that lies so.
func NewBNO055(heading, roll, pitch int16) *BNO055 {
	c := &BNO055{Angles: [3]int16{heading, roll, pitch}, Calibration: 0xf0, State: [2]byte{5, 0}, ID: 0xa0}
	c.Modes = []byte{0x3d, 0x3b, 0x3e, 0x40, 0x41, 0x42}
	c.OnPowerOn = func() {
		c.Reg[0x00], c.Reg[0x34], c.Reg[0x3b], c.Reg[0x41] = c.ID, 27, 0x80, 0x24
	}
	c.OnWrite = func(reg, v byte) {
		if reg == 0x3d || reg >= 0x3b && reg <= 0x42 && c.Reg[0x3d]&0x0f == 0 {
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Reg[0x3d]&0x0f != 0x0c {
			return c.Reg[reg]
		}
		switch {
		case reg >= 0x1a && reg < 0x20:
			v := c.Angles[(reg-0x1a)/2]
			switch {
			case c.Reg[0x3b]&0x04 != 0: // radians
				v = v * 7 / 8
			case reg >= 0x1e && c.Reg[0x3b]&0x80 != 0, c.Reg[0x41] != 0x24, c.Reg[0x42] != 0: // the other way round
				v = -v
			}
			return byte(uint16(v) >> (8 * (reg & 1)))
		case reg == 0x35:
			return c.Calibration
		case reg == 0x39 || reg == 0x3a:
			return c.State[reg-0x39]
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
