package i2ctest

import "time"

// INA228 simulates the INA228, whose registers have different lengths. SLYS021 section 7.6.
type INA228 struct {
	Conversion
	Shunt, Volts uint32 // 20 bits
	T            uint16
	ID           uint16

	ptr   byte
	conf  uint16
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
	c.conf, c.ready, c.shown = 0xfb68, false, [3]uint32{}
	c.Start(50 * time.Millisecond)
}

// Write implements Chip.
func (c *INA228) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) == 3 && c.ptr == 1 {
		c.conf, c.ready = uint16(b[1])<<8|uint16(b[2]), false
		c.Start(50500 * time.Microsecond)
	}
	return nil
}

// Read implements Chip.
func (c *INA228) Read(b []byte) error {
	if c.Finish() {
		c.ready = true
		c.conf &^= 0xf000 // shut down again
		c.shown = [3]uint32{c.Shunt << 4, c.Volts << 4, uint32(c.T)}
	}
	v, size := uint32(0), 2
	switch c.ptr {
	case 0x01:
		v = uint32(c.conf)
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
