package i2ctest

import (
	"math/rand/v2"
	"time"
)

// BME280 simulates Bosch's BMP280 and BME280, BST-BME280-DS002 section 5.
type BME280 struct {
	Registers
	Conversion
	ID           byte
	Calibration  []byte // 26 bytes from 0x88
	Calibration2 []byte // 7 bytes from 0xe1
	Raw          []byte // what the next measurement finds, 8 bytes at 0xf7
}

// NewBME280 makes a chip with these coefficients that measures raw.
func NewBME280(id byte, calibration, calibration2, raw []byte) *BME280 {
	c := &BME280{ID: id, Calibration: calibration, Calibration2: calibration2, Raw: raw}
	c.OnPowerOn, c.OnWrite, c.OnRead = c.resetRegisters, c.set, c.get
	c.Modes = []byte{0xf2, 0xf5, 0xf4}
	c.PowerOn()
	return c
}

func (c *BME280) resetRegisters() {
	c.Abort()
	c.Put(0xd0, c.ID)
	c.Put(0x88, c.Calibration...)
	c.Put(0xe1, c.Calibration2...)
	c.Put(0xf7, 0x80, 0, 0, 0x80, 0, 0, 0x80, 0) // table 18, reset state
}

// Leave implements Leaver: yesterday it was another temperature.
func (c *BME280) Leave(r *rand.Rand) {
	c.Put(0xf7, c.Raw...)
	c.Reg[0xfa] -= 4
	c.Registers.Leave(r)
}

func (c *BME280) set(reg, v byte) {
	switch {
	case reg == 0xe0 && v == 0xb6: // section 5.4.2
		c.PowerOn()
	case reg == 0xf5 && c.Reg[0xf4]&3 == 3: // section 5.4.6: may be ignored in normal mode
	case reg == 0xf2 && c.ID != 0x60: // a BMP280 has none
	case reg == 0xf2, reg == 0xf5:
		c.Reg[reg] = v
	case reg == 0xf4:
		c.Reg[reg] = v
		c.Abort()
		if v&3 != 0 {
			c.Start(c.duration())
		}
	}
}

// duration is the typical measurement time. Section 9.1.
func (c *BME280) duration() time.Duration {
	d := time.Millisecond
	for _, osrs := range []byte{c.Reg[0xf4] >> 5, c.Reg[0xf4] >> 2 & 7, c.Reg[0xf2] & 7} {
		if osrs > 0 {
			d += 2 * time.Millisecond << (min(osrs, 5) - 1)
		}
	}
	return d
}

func (c *BME280) get(reg byte) byte {
	if c.Finish() {
		c.result()
		if c.Reg[0xf4]&3 == 3 { // normal mode goes on, section 3.3.4
			c.Start(c.duration())
		} else {
			c.Reg[0xf4] &^= 3 // forced mode falls back to sleep, section 3.3.3
		}
	}
	if reg == 0xf3 && c.Running() {
		return 0x08
	}
	return c.Reg[reg]
}

func (c *BME280) result() {
	raw := append([]byte(nil), c.Raw...)
	if c.Reg[0xf5]>>2&7 != 0 { // the filter holds on to what was, section 3.4.4
		raw[3] = byte((3*int(c.Reg[0xfa]) + int(raw[3])) / 4)
	}
	if c.Reg[0xf4]>>5 == 0 { // temperature skipped, section 5.4.5
		copy(raw[3:], []byte{0x80, 0, 0})
	}
	if c.Reg[0xf4]>>2&7 == 0 {
		copy(raw, []byte{0x80, 0, 0})
	}
	if c.Reg[0xf2]&7 == 0 { // humidity skipped, section 5.4.3
		copy(raw[6:], []byte{0x80, 0})
	}
	c.Put(0xf7, raw...)
}
