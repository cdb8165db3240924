package i2ctest

import "time"

// BME680 simulates Bosch's BME680 and BME688. BST-BME680-DS001 section 5.
type BME680 struct {
	Registers
	Conversion
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
	c.OnPowerOn = func() {
		c.Abort()
		c.Put(0xd0, c.ID)
		c.Put(0xf0, c.Variant)
		c.Put(0x8a, c.Calib1...)
		c.Put(0xe1, c.Calib2...)
		c.Put(0x00, c.Calib3...)
		c.Put(0x1f, 0x80, 0, 0, 0x80, 0, 0, 0x80, 0)
	}
	c.Modes = []byte{0x70, 0x71, 0x72, 0x75, 0x5a, 0x64, 0x74}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x5a:
			c.Heater = v
		case reg == 0x64:
			c.GasWait = v
		case reg == 0x74 && v&3 != 1:
			c.Abort()
		case reg == 0x74 && v>>5 == 0: // temperature skipped: another chip's matter
		case reg == 0x74:
			c.Reg[0x1d] = 0x20
			heat := time.Duration(0)
			if c.Reg[0x71]&0x30 != 0 {
				heat = time.Duration(c.GasWait&0x3f) << (2 * (c.GasWait >> 6)) * time.Millisecond
			}
			n := time.Duration(3) << (v>>5 - 1)
			c.Start(n*1963*time.Microsecond + 5*time.Millisecond + heat)
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.Reg[0x74] &^= 3
			c.Reg[0x1d] = 0x80
			c.Put(0x1f, c.Raw...)
			if c.Reg[0x75]>>2&7 != 0 { // the filter holds on to what was
				c.Reg[0x22] -= 4
			}
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
	case c.HeaterUnsteady, c.Reg[0x70]&0x08 != 0: // heat_off
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
