package i2cmodel

import (
	"math"
	"strings"
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

// NewMPU6050 models the MPU6050, asleep after power-on. RM-MPU-6000A section 4.
func NewMPU6050(amplitude, gravity float64, t int16) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0x68, idReg: 0x75, began: time.Now()}
	c.reset = func() { c.Reg[0x6b], c.Reg[0x75] = 0x40, c.ID }
	c.read = func(reg byte) byte {
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

// NewADXL345 models the ADXL345, in standby after power-on.
func NewADXL345(amplitude, gravity float64) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0xe5, idReg: 0x00, began: time.Now()}
	c.reset = func() { c.Reg[0x00], c.Reg[0x2c] = c.ID, 0x0a }
	c.read = func(reg byte) byte {
		if reg >= 0x32 && reg < 0x38 && c.Reg[0x2d]&8 != 0 {
			return byte(uint16(c.counts()[(reg-0x32)/2]) >> (8 * ((reg - 0x32) % 2)))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// NewDS3231 models the DS3231's registers at some time of day.
func NewDS3231(t uint16) *Registers {
	c := &Registers{}
	c.reset = func() {
		c.Put(0x00, 0x59, 0x30, 0x12, 0x01, 0x23, 0x11, 0x26)
		c.Put(0x0e, 0x1c, 0x00, 0x00, byte(t>>8), byte(t))
	}
	c.PowerOn()
	return c
}

// EZO models an Atlas Scientific circuit: text in, a status byte and text out.
type EZO struct {
	conversion
	Name, Value string
	Said        []string // commands

	answer string
	code   byte
}

// PowerOn implements driverstest.I2CChip.
func (c *EZO) PowerOn() {
	c.abort()
	c.answer, c.code = "", 255
}

// Write implements driverstest.I2CChip.
func (c *EZO) Write(b []byte) error {
	cmd := string(b)
	c.Said = append(c.Said, cmd)
	takes := 300 * time.Millisecond
	c.answer, c.code = "", 1
	switch {
	case cmd == "i":
		c.answer = "?I," + c.Name + ",1.98"
	case cmd == "R":
		c.answer, takes = c.Value, 580*time.Millisecond
	case strings.HasPrefix(cmd, "T,"):
	default:
		c.code = 2
	}
	c.start(takes)
	return nil
}

// Read implements driverstest.I2CChip.
func (c *EZO) Read(b []byte) error {
	c.finish()
	for i := range b {
		b[i] = 0
	}
	if c.running {
		b[0] = 254
		return nil
	}
	b[0] = c.code
	copy(b[1:], c.answer)
	c.code = 255
	return nil
}

// NewAS3935 models the AS3935's registers; what it heard is put into them.
func NewAS3935() *AS3935 {
	c := &AS3935{}
	c.reset = func() { c.Put(0x00, 0x24, 0x22, 0xc2, 0x00) }
	c.read = func(reg byte) byte {
		v := c.Reg[reg]
		if reg == 0x03 {
			v |= c.Interrupt
			c.Interrupt = 0
		}
		return v
	}
	c.PowerOn()
	return c
}

// AS3935 hears lightning.
type AS3935 struct {
	Registers
	Interrupt byte // told once: 8 lightning, 1 noise
}
