package i2ctest

import "time"

// Colours simulates APDS9960 and AS7341: light in several bands, in counts of a millisecond
// without gain.
type Colours struct {
	Registers
	Conversion
	Light []float64
	Near  byte // what comes back of its own light
	ID    byte
	Blind bool // too bright for what is before the converters
}

// NewAPDS9960 makes one in light of these: clear, red, green, blue. The kernel's apds9960.c and
// ESPHome's component have the registers.
func NewAPDS9960(near byte, light ...float64) *Colours {
	c := &Colours{Light: light, Near: near, ID: 0xab}
	c.Modes = []byte{0x80, 0x81, 0x83, 0x8d, 0x8f, 0x90}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x81], c.Reg[0x83], c.Reg[0x8d], c.Reg[0x90], c.Reg[0x92] = 0xff, 0xff, 0x60, 0x01, c.ID
	}
	cycles := func() int { return 256 - int(c.Reg[0x81]) }
	c.OnWrite = func(reg, v byte) {
		if reg == 0x92 {
			return
		}
		if c.Reg[reg] = v; reg == 0x80 {
			c.Reg[0x93] = 0
			if c.Abort(); v&3 == 3 {
				c.Start(time.Duration(cycles()) * 2780 * time.Microsecond)
			}
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			gain := float64(int(1) << (2 * (c.Reg[0x8f] & 3)))
			for i, x := range c.Light {
				n := uint16(min(x*gain*float64(cycles())*2.78+0.5, float64(cycles())*1025, 65535))
				c.Put(0x94+2*byte(i), byte(n), byte(n>>8))
			}
			if c.Reg[0x93] = 1; c.Reg[0x80]&4 != 0 {
				c.Reg[0x9c], c.Reg[0x93] = c.Near, 3
			}
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// NewAS7341 makes one in light of these: F1 to F8, clear, infrared. Adafruit's library has the
// registers.
func NewAS7341(light ...float64) *Colours {
	c := &Colours{Light: light, ID: 0x24}
	c.Modes = []byte{0x80, 0x81, 0xaa, 0xaf, 0xca, 0xcb}
	var diodes [20]byte
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x92], c.Reg[0xaa], c.Reg[0xca], c.Reg[0xcb] = c.ID, 0x09, 0xe7, 0x03
		diodes = [20]byte{}
	}
	steps := func() float64 {
		return (float64(c.Reg[0x81]) + 1) * (float64(uint16(c.Reg[0xcb])<<8|uint16(c.Reg[0xca])) + 1)
	}
	c.OnWrite = func(reg, v byte) {
		if reg == 0x92 {
			return
		}
		if c.Reg[reg] = v; reg != 0x80 {
			return
		}
		if v&0x11 == 0x11 && c.Reg[0xaf]&0x18 == 0x10 {
			copy(diodes[:], c.Reg[:])
			c.Reg[0x80] &^= 0x10
		}
		c.Reg[0xa3] = 0
		if c.Abort(); v&3 == 3 {
			c.Start(time.Duration(steps() * 2.78 * 1000))
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			gain := float64(int(1)<<c.Reg[0xaa]) / 2
			for i, from := range as7341Connected(diodes) {
				n := uint16(0)
				if from >= 0 {
					n = uint16(min(c.Light[from]*gain*steps()*0.00278+0.5, steps(), 65535))
				}
				c.Put(0x95+2*byte(i), byte(n), byte(n>>8))
			}
			if c.Reg[0xa3] = 0x40; c.Blind {
				c.Reg[0xa3] |= 0x08
			}
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// as7341Connected is which band each of the six converters sees; -1 for none. Each register has
// two diodes, in its halves.
func as7341Connected(diodes [20]byte) [6]int {
	to := [6]int{-1, -1, -1, -1, -1, -1}
	for _, d := range []struct {
		reg, shift byte
		band       int
	}{{1, 0, 0}, {5, 0, 1}, {0, 4, 2}, {5, 4, 3}, {6, 4, 4}, {4, 0, 5}, {7, 0, 6}, {3, 4, 7}, {8, 4, 8}, {0x13, 0, 9}} {
		if n := diodes[d.reg] >> d.shift & 7; n > 0 {
			to[n-1] = d.band
		}
	}
	return to
}
