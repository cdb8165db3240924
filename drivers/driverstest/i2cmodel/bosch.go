package i2cmodel

import "time"

// BMP180 models Bosch's BMP180. BST-BMP180-DS000 section 4.
type BMP180 struct {
	Registers
	conversion
	ID          byte
	Calibration []byte // 22 bytes from 0xaa
	UT, UP      uint32 // as the conversion leaves them at 0xf6, 24 bits
}

// NewBMP180 makes one.
func NewBMP180(calibration []byte, ut, up uint32) *BMP180 {
	c := &BMP180{ID: 0x55, Calibration: calibration, UT: ut, UP: up}
	c.reset = func() {
		c.abort()
		c.Put(0xd0, c.ID)
		c.Put(0xaa, c.Calibration...)
		c.Put(0xf6, 0x80)
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0xf4 && v&0x20 != 0 {
			c.start(map[bool]time.Duration{true: 4500 * time.Microsecond, false: 23500 * time.Microsecond}[v == 0x2e])
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
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

// BMP388 models Bosch's BMP388 and BMP390. BST-BMP388-DS001 section 4.
type BMP388 struct {
	Registers
	conversion
	ID          byte
	Calibration []byte // 21 bytes from 0x31
	UT, UP      uint32
	ready       bool
}

// NewBMP388 makes one.
func NewBMP388(calibration []byte, ut, up uint32) *BMP388 {
	c := &BMP388{ID: 0x50, Calibration: calibration, UT: ut, UP: up}
	c.reset = func() {
		c.abort()
		c.ready = false
		c.Put(0x00, c.ID)
		c.Put(0x31, c.Calibration...)
		c.Put(0x04, 0, 0, 0x80, 0, 0, 0x80)
		c.Reg[0x1c] = 0x02 // osr
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x1b && v&0x30 != 0 {
			c.ready = false
			n := time.Duration(1)<<(c.Reg[0x1c]&7) + time.Duration(1)<<(c.Reg[0x1c]>>3&7)
			c.start((234 + 392 + 163 + 2020*n) * time.Microsecond)
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
			c.ready = true
			c.Reg[0x1b] &^= 0x30
			c.Put(0x04, byte(c.UP), byte(c.UP>>8), byte(c.UP>>16), byte(c.UT), byte(c.UT>>8), byte(c.UT>>16))
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

// BME680 models Bosch's BME680 and BME688. BST-BME680-DS001 section 5.
type BME680 struct {
	Registers
	conversion
	ID, Variant     byte
	Calib1, Calib2  []byte // from 0x8a and 0xe1
	Calib3          []byte // from 0x00
	Raw             []byte // pressure, temperature, humidity: 8 bytes at 0x1f
	Gas             uint16
	Range           byte
	HeaterUnsteady  bool
	Heater, GasWait byte // as last written
}

// NewBME680 makes one.
func NewBME680(c1, c2, c3, raw []byte, gas uint16, span byte) *BME680 {
	c := &BME680{ID: 0x61, Calib1: c1, Calib2: c2, Calib3: c3, Raw: raw, Gas: gas, Range: span}
	c.reset = func() {
		c.abort()
		c.Put(0xd0, c.ID)
		c.Put(0xf0, c.Variant)
		c.Put(0x8a, c.Calib1...)
		c.Put(0xe1, c.Calib2...)
		c.Put(0x00, c.Calib3...)
		c.Put(0x1f, 0x80, 0, 0, 0x80, 0, 0, 0x80, 0)
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x5a:
			c.Heater = v
		case reg == 0x64:
			c.GasWait = v
		case reg == 0x74 && v&3 == 1:
			c.Reg[0x1d] = 0x20
			heat := time.Duration(0)
			if c.Reg[0x71]&0x30 != 0 {
				heat = time.Duration(c.GasWait&0x3f) << (2 * (c.GasWait >> 6)) * time.Millisecond
			}
			n := time.Duration(3) << (v>>5 - 1)
			c.start(n*1963*time.Microsecond + 5*time.Millisecond + heat)
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
			c.Reg[0x74] &^= 3
			c.Reg[0x1d] = 0x80
			c.Put(0x1f, c.Raw...)
			c.putGas()
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

func (c *BME680) putGas() {
	status := byte(0)
	switch {
	case c.Reg[0x71]&0x30 == 0:
	case c.HeaterUnsteady:
		status = 0x20
	default:
		status = 0x30
	}
	at := byte(0x2a)
	if c.Variant == 1 {
		at = 0x2c
	}
	c.Put(at, byte(c.Gas>>2), byte(c.Gas<<6)|status|c.Range)
}
