package i2ctest

import (
	"math"
	"time"
)

// Shaker is an accelerometer on something that shakes in a sine along x, gravity along z.
type Shaker struct {
	Registers
	Amplitude float64 // counts
	Hertz     float64
	Gravity   float64 // counts
	ID        byte
	idReg     byte
	began     time.Time
}

func (c *Shaker) counts() [3]int16 {
	t := time.Since(c.began).Seconds()
	return [3]int16{int16(math.Round(c.Amplitude * math.Sin(2*math.Pi*c.Hertz*t))), 0, int16(math.Round(c.Gravity))}
}

// axis is what the MPU6050 shows of one: scaled by AFS_SEL, filtered by DLPF_CFG, nothing
// while it stands by. RM-MPU-6000A sections 4.3, 4.5, 4.29.
func (c *Shaker) axis(i byte) int16 {
	switch {
	case c.Reg[0x6c]>>(5-i)&1 != 0:
		return 0
	case c.Reg[0x1a]&7 >= 5 && i == 0:
		return 0
	}
	counts := int32(c.counts()[i]) << (3 - c.Reg[0x1c]>>3&3)
	return int16(min(max(counts, -1<<15), 1<<15-1))
}

// NewMPU6050 simulates the MPU6050, asleep after power-on. RM-MPU-6000A section 4.
func NewMPU6050(amplitude, gravity float64, t int16) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0x68, idReg: 0x75, began: time.Now()}
	c.OnPowerOn = func() { c.Reg[0x6b], c.Reg[0x75] = 0x40, c.ID }
	c.Modes = []byte{0x19, 0x1a, 0x1b, 0x1c, 0x6b, 0x6c}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x6b && v&0x80 != 0 {
			c.PowerOn()
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg >= 0x3b && reg < 0x43 && c.Reg[0x6b]&0x40 == 0 {
			v := uint16(t)
			if i := (reg - 0x3b) / 2; i < 3 {
				v = uint16(c.axis(i))
			}
			return byte(v >> (8 * ((reg - 0x3b + 1) % 2)))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// NewADXL345 simulates the ADXL345, in standby after power-on.
func NewADXL345(amplitude, gravity float64) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0xe5, idReg: 0x00, began: time.Now()}
	c.OnPowerOn = func() { c.Reg[0x00], c.Reg[0x2c] = c.ID, 0x0a }
	c.Modes = []byte{0x1e, 0x1f, 0x20, 0x2c, 0x2d, 0x31, 0x38}
	c.OnWrite = func(reg, v byte) {
		if reg != 0x00 { // DEVID is only read
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg >= 0x32 && reg < 0x38 && c.Reg[0x2d]&8 != 0 && c.Reg[0x38]&0x40 == 0 { // not in a FIFO
			axis := (reg - 0x32) / 2
			v := c.counts()[axis] + 4*int16(int8(c.Reg[0x1e+axis])) // OFSX: 15.6 mg a step
			if c.Reg[0x31]&0x08 == 0 {                              // not full resolution
				v >>= c.Reg[0x31] & 3
			}
			if c.Reg[0x31]&0x04 != 0 { // justified to the left
				v <<= 3
			}
			return byte(uint16(v) >> (8 * ((reg - 0x32) % 2)))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
