package i2ctest

import "time"

// Channels is a light sensor with two colours whose Conversion starts when it is
// enabled.
type Channels struct {
	Registers
	Conversion
	ID       byte
	Ch0, Ch1 float64 // counts in the most sensitive setting
}

func (c *Channels) put16(reg byte, v float64) { c.Put(reg, byte(uint16(v)), byte(uint16(v)>>8)) }

// NewTSL2561 simulates the TSL2561: a command byte before each register. TAOS059.
func NewTSL2561(id byte, ch0, ch1 float64) *Channels {
	c := &Channels{ID: id, Ch0: ch0, Ch1: ch1}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x8a], c.Reg[0x81] = c.ID, 0x02
	}
	c.Modes = []byte{0x80, 0x81, 0x86}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x80 && v&3 == 3 {
			c.Start(map[byte]time.Duration{0: 13700 * time.Microsecond, 1: 101 * time.Millisecond, 2: 402 * time.Millisecond}[c.Reg[0x81]&3])
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			factor, full := 1.0, 65535.0
			if c.Reg[0x81]&0x10 == 0 {
				factor /= 16
			}
			if c.Reg[0x81]&3 == 0 {
				factor, full = factor*13.7/402, 5047
			}
			c.put16(0x8c, min(c.Ch0*factor, full))
			c.put16(0x8e, min(c.Ch1*factor, full))
		}
		if reg >= 0xa0 { // the word bit
			reg -= 0x20
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// NewTSL2591 simulates the TSL2591; counts are those of gain 428 and 100 ms.
func NewTSL2591(ch0, ch1 float64) *Channels {
	c := &Channels{ID: 0x50, Ch0: ch0, Ch1: ch1}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0xb2] = c.ID
	}
	c.Modes = []byte{0xa0, 0xa1, 0xac}
	c.OnWrite = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0xa0 && v&3 == 3 {
			c.Reg[0xb3] = 0
			c.Start(100 * time.Millisecond)
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			gain := []float64{1, 25, 428, 9876}[c.Reg[0xa1]>>4&3] / 428
			c.put16(0xb4, min(c.Ch0*gain, 36863))
			c.put16(0xb6, min(c.Ch1*gain, 36863))
			c.Reg[0xb3] = 1
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}
