package i2ctest

import "time"

// Gas is a gas sensor that measures every second once it was started.
type Gas struct {
	Registers
	Values   []byte // what it measures
	Validity byte   // of an ENS160
	next     time.Time
}

// NewENS160 simulates the ENS160.
func NewENS160(aqi byte, tvoc, eco2 uint16) *Gas {
	c := &Gas{Values: []byte{aqi, byte(tvoc), byte(tvoc >> 8), byte(eco2), byte(eco2 >> 8)}}
	c.OnPowerOn = func() {
		c.next = time.Time{}
		c.Put(0x00, 0x60, 0x01)
		c.Put(0x13, 0x8a, 0x4a, 0x00, 0x64) // 25 °C, 50 %
	}
	c.Modes = []byte{0x10, 0x11, 0x13, 0x14, 0x15, 0x16}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x10 && v == 2:
			c.next = time.Now().Add(time.Second)
		case reg == 0x10:
			c.next = time.Time{}
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg == 0x20 {
			status := c.Validity << 2
			if !c.next.IsZero() {
				status |= 0x80
				if !time.Now().Before(c.next) {
					status |= 2
					c.Put(0x21, c.Values...)
					c.Reg[0x22] += c.compensation()
					c.next = time.Now().Add(time.Second)
				}
			}
			return status
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// compensation is what another temperature or humidity than 25 °C and 50 % does. Section
// 16.2.5.
func (c *Gas) compensation() byte {
	if [4]byte(c.Reg[0x13:0x17]) == [4]byte{0x8a, 0x4a, 0x00, 0x64} {
		return 0
	}
	return 20
}
