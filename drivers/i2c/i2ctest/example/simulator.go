package example

import (
	"time"

	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/i2ctest"
)

// Simulator answers as the NW2210's data sheet says and knows nothing of the driver:
// registers with their values after power-on, the time that a measurement takes, and a
// mode that is lost with the power.
type Simulator struct {
	i2ctest.Registers
	i2ctest.Conversion // so that the suite can make its oscillator slow
	ID                 uint16
	Celsius, Humidity  float64
}

// NewSimulator makes a chip right after power-on.
func NewSimulator(celsius, humidity float64) *Simulator {
	c := &Simulator{ID: 0x2210, Celsius: celsius, Humidity: humidity}
	c.OnPowerOn = func() {
		c.Abort()
		c.Put(0x00, byte(c.ID>>8), byte(c.ID))
	}
	c.OnWrite = func(reg, v byte) {
		if reg == 0x04 { // the others cannot be written
			c.Reg[reg] = v
			c.measure()
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg == 0x10 && c.Finish() {
			c.result()
			c.measure()
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// measure starts the next one, if the chip is awake.
func (c *Simulator) measure() {
	if rate := c.Reg[0x04] & 7; c.Reg[0x04]&0x80 != 0 && rate != 0 {
		c.Start(time.Second / time.Duration(rate))
	}
}

func (c *Simulator) result() {
	t, h := uint16(int16(c.Celsius*128)), uint16(c.Humidity*512)
	sum, _ := field.Named("crc8-smbus")
	word := func(v uint16) []byte {
		b := []byte{byte(v >> 8), byte(v)}
		return append(b, byte(sum.Of(b)))
	}
	c.Put(0x10, append(append([]byte{0x01}, word(t)...), word(h)...)...)
}
