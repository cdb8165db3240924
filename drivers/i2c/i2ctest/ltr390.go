package i2ctest

import "time"

// NewLTR390 simulates the LTR390. Ch0 are counts of light with gain 3 and 18 bits, Ch1 of
// ultraviolet with gain 18 and 20 bits.
func NewLTR390(als, uvs float64) *Channels {
	c := &Channels{ID: 0xb2, Ch0: als, Ch1: uvs}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x06], c.Reg[0x04], c.Reg[0x05] = c.ID, 0x22, 0x01
		c.Reg[0x07] = 0x20 // power on
	}
	c.Modes = []byte{0x00, 0x04, 0x05, 0x19, 0x1a}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x00 && v&2 != 0 {
			c.Start(map[byte]time.Duration{0: 400, 1: 200, 2: 100, 3: 50, 4: 25}[c.Reg[0x04]>>4&7] * time.Millisecond)
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			put := func(reg byte, v uint32) { c.Put(reg, byte(v), byte(v>>8), byte(v>>16)) }
			gain := []float64{1, 3, 6, 9, 18, 18, 18, 18}[c.Reg[0x05]&7]
			if c.Reg[0x00]&8 != 0 {
				put(0x10, uint32(c.Ch1*gain/18))
			} else {
				put(0x0d, uint32(min(c.Ch0*gain/3, 1<<18-1)))
			}
			c.Reg[0x07] |= 8
		}
		v := c.Reg[reg]
		if reg == 0x07 {
			c.Reg[0x07] = 0
		}
		return v
	}
	c.PowerOn()
	return c
}
