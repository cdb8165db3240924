package i2ctest

import "time"

// ADS simulates ADS1115 and ADS1015: one shot, data rate, range and input in one register.
// SBAS444 section 9.6.
type ADS struct {
	Words
	Conversion
	Rates []int
	Step  uint16              // of the code: 1, or 16 with 12 bits
	Code  func(mux int) int16 // what an input reads in the chosen range
	mux   int
}

// NewADS makes a converter.
func NewADS(rates []int, step uint16, code func(mux int) int16) *ADS {
	c := &ADS{Rates: rates, Step: step, Code: code}
	c.Modes = []byte{1, 2, 3}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0], c.Reg[1], c.Reg[2], c.Reg[3] = 0, 0x8583, 0x8000, 0x7fff
	}
	c.OnWrite = func(reg byte, v uint16) {
		c.Reg[reg&3] = v
		if reg == 1 && v&0x8000 != 0 {
			c.mux = int(v >> 12 & 7)
			c.Start(time.Second / time.Duration(c.Rates[int(v>>5&7)%len(c.Rates)]))
		}
	}
	c.OnRead = func(reg byte) uint16 {
		if c.Finish() {
			c.Reg[0] = uint16(c.Code(c.mux)) &^ (c.Step - 1)
		}
		if reg == 1 {
			if c.Running() {
				return c.Reg[1] &^ 0x8000
			}
			return c.Reg[1] | 0x8000
		}
		return c.Reg[reg&3]
	}
	c.PowerOn()
	return c
}
