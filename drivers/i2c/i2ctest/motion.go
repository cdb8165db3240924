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

// NewMPU6050 simulates the MPU6050, asleep after power-on. RM-MPU-6000A section 4.
func NewMPU6050(amplitude, gravity float64, t int16) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0x68, idReg: 0x75, began: time.Now()}
	c.OnPowerOn = func() { c.Reg[0x6b], c.Reg[0x75] = 0x40, c.ID }
	c.OnRead = func(reg byte) byte {
		if reg >= 0x3b && reg < 0x43 && c.Reg[0x6b]&0x40 == 0 {
			a := c.counts()
			v := uint16(t)
			if i := (reg - 0x3b) / 2; i < 3 {
				v = uint16(a[i])
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
	c.OnRead = func(reg byte) byte {
		if reg >= 0x32 && reg < 0x38 && c.Reg[0x2d]&8 != 0 {
			return byte(uint16(c.counts()[(reg-0x32)/2]) >> (8 * ((reg - 0x32) % 2)))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
