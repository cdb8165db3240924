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
	}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x10 && v == 2 {
			c.next = time.Now().Add(time.Second)
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
