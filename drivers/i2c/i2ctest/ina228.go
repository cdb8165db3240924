package i2ctest

import (
	"math/rand/v2"
	"time"
)

// INA228 simulates the INA228, whose registers have different lengths. SLYS021 section 7.6.
type INA228 struct {
	Conversion
	Shunt, Volts uint32 // 20 bits
	T            uint16
	ID           uint16

	ptr   byte
	conf  [2]uint16 // CONFIG and ADC_CONFIG
	ready bool
	shown [3]uint32
}

// NewINA228 makes a chip that measures these.
func NewINA228(shunt, volts uint32, t uint16) *INA228 {
	c := &INA228{Shunt: shunt, Volts: volts, T: t, ID: 0x2281}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *INA228) PowerOn() {
	c.Abort()
	c.conf, c.ready, c.shown = [2]uint16{0, 0xfb68}, false, [3]uint32{}
	c.Start(50 * time.Millisecond)
}

// Leave implements Leaver.
func (c *INA228) Leave(r *rand.Rand) {
	for reg := range c.conf {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{byte(reg), byte(r.Uint32()) &^ 0x80, byte(r.Uint32())})
		}
	}
}

// Write implements Chip.
func (c *INA228) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) == 3 && c.ptr <= 1 {
		c.conf[c.ptr], c.ready = uint16(b[1])<<8|uint16(b[2]), false
		c.Start(50500 * time.Microsecond)
	}
	return nil
}

// Read implements Chip.
func (c *INA228) Read(b []byte) error {
	if c.Finish() {
		c.ready = true
		c.conf[1] &^= 0xf000 // shut down again
		shunt := c.Shunt
		if c.conf[0]&0x0010 != 0 { // ±40.96 mV: a quarter of the step, section 7.6.1.1
			shunt = c.Shunt * 4 & 0xfffff
		}
		c.shown = [3]uint32{shunt << 4, c.Volts << 4, uint32(c.T)}
	}
	v, size := uint32(0), 2
	switch c.ptr {
	case 0x00, 0x01:
		v = uint32(c.conf[c.ptr])
	case 0x04, 0x05:
		v, size = c.shown[c.ptr-4], 3
	case 0x06:
		v = c.shown[2]
	case 0x0b:
		v = 1
		if c.ready {
			v |= 2
		}
	case 0x3e:
		v = 0x5449
	case 0x3f:
		v = uint32(c.ID)
	}
	for i := range b {
		b[i] = byte(v >> (8 * (size - 1 - i%size)))
	}
	return nil
}
