package i2ctest

import (
	"math/rand/v2"
	"time"
)

// DPS310 simulates Infineon's barometer, which measures what is asked for. ESPHome's component
// has the registers.
type DPS310 struct {
	Registers
	Conversion
	Coefficients []byte
	P, T         int32 // raw
	ID           byte

	which byte
}

// NewDPS310 makes one with these coefficients and raw numbers.
func NewDPS310(coefficients []byte, p, t int32) *DPS310 {
	c := &DPS310{Coefficients: coefficients, P: p, T: t, ID: 0x10}
	c.Modes = []byte{0x06, 0x07, 0x08, 0x09}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x0d], c.Reg[0x28], c.Reg[0x08] = c.ID, 0x80, 0xc0
		c.Put(0x10, c.Coefficients...)
	}
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0x0c && v == 0x89:
			c.PowerOn()
		case reg == 0x08:
			c.Reg[8] = 0xc0 | v&7
			if c.which = v & 7; c.which == 1 || c.which == 2 {
				c.Start(10400 * time.Microsecond)
			}
		case reg < 0x0d && reg > 0x05:
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			raw, at, bit := c.P, byte(0), byte(0x10)
			if c.which == 2 {
				raw, at, bit = c.T, 3, 0x20
			}
			c.Put(at, byte(raw>>16), byte(raw>>8), byte(raw))
			c.Reg[8] = 0xc0 | bit
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// LC709203F simulates the gauge of a lithium cell: words under a checksum over the whole
// transfer. RIOT's lc709203f has the registers.
type LC709203F struct {
	Reg map[byte]uint16
	Now map[byte]uint16
	ptr byte
}

// NewLC709203F makes one with a cell of so many mV and tenths of a per cent.
func NewLC709203F(mV, charge uint16) *LC709203F {
	c := &LC709203F{Reg: map[byte]uint16{0x09: mV, 0x0f: charge, 0x15: 2}}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *LC709203F) PowerOn() {
	c.Now = map[byte]uint16{}
	for reg, v := range c.Reg {
		c.Now[reg] = v
	}
}

// Leave implements Leaver.
func (c *LC709203F) Leave(r *rand.Rand) { c.Now[0x15] = 1 + uint16(r.IntN(2)) }

const lcWriteAddress = 0x0b << 1

// smbusPEC is the packet error code of SMBus.
func smbusPEC(b ...byte) (crc byte) {
	for _, x := range b {
		crc ^= x
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x07
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// Write implements Chip.
func (c *LC709203F) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) == 4 && smbusPEC(lcWriteAddress, b[0], b[1], b[2]) == b[3] {
		c.Now[b[0]] = uint16(b[2])<<8 | uint16(b[1])
	}
	return nil
}

// Read implements Chip.
func (c *LC709203F) Read(b []byte) error {
	v := c.Now[c.ptr]
	lo, hi := byte(v), byte(v>>8)
	if c.ptr != 0x15 && c.Now[0x15] != 1 { // asleep: what it had
		lo, hi = 0, 0
	}
	out := []byte{lo, hi, smbusPEC(lcWriteAddress, c.ptr, lcWriteAddress|1, lo, hi)}
	for i := range b {
		b[i] = out[i%3]
	}
	return nil
}

// Compass simulates HMC5883L and QMC5883L.
type Compass struct {
	Registers
	Conversion
	Field [3]int16 // x, y, z
	Over  bool     // the QMC5883L's range has no room

	pin     func() bool
	written time.Time // the HMC5883L's registers
}

// Pin implements Pinned: DRDY.
func (c *Compass) Pin() bool { return c.pin() }

// NewHMC5883L makes a compass that measures when it is asked to.
func NewHMC5883L(x, y, z int16) *Compass {
	c := &Compass{Field: [3]int16{x, y, z}}
	c.Modes = []byte{0, 1, 2}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0], c.Reg[1], c.Reg[2] = 0x10, 0x20, 0x01
		c.Put(0x0a, 'H', '4', '3')
	}
	c.OnWrite = func(reg, v byte) {
		if reg > 2 {
			return
		}
		if c.Reg[reg] = v; reg == 2 {
			c.Reg[9] = 0
			if c.Abort(); v&3 < 2 {
				c.Start(6 * time.Millisecond)
			}
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			for i, at := range []byte{3, 7, 5} {
				v := c.Field[i]
				if c.Reg[1] != 0x20 {
					v /= 2
				}
				c.Put(at, byte(v>>8), byte(v))
			}
			if c.Reg[9], c.written = 1, time.Now(); c.Reg[2]&3 == 0 {
				c.Start(66 * time.Millisecond)
			}
		}
		return c.Reg[reg]
	}
	c.pin = func() bool { // low while its registers are written
		c.OnRead(9)
		return time.Since(c.written) >= 250*time.Microsecond
	}
	c.PowerOn()
	return c
}

// NewQMC5883L makes a compass that measures on its own.
func NewQMC5883L(x, y, z int16) *Compass {
	c := &Compass{Field: [3]int16{x, y, z}}
	c.Modes = []byte{0x09, 0x0b}
	c.OnPowerOn = func() { c.Abort() }
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0x0a && v&0x80 != 0:
			c.PowerOn()
		case reg >= 0x09:
			if c.Reg[reg] = v; reg == 0x09 && v&1 != 0 {
				c.Start(100 * time.Millisecond)
			}
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Reg[9]&1 != 0 && c.Finish() {
			for i, v := range c.Field {
				if c.Reg[9]&0x30 == 0 {
					v *= 4
				}
				c.Put(2*byte(i), byte(v), byte(v>>8))
			}
			if c.Reg[6] = 1; c.Over {
				c.Reg[6] = 3
			}
			c.Start(100 * time.Millisecond)
		}
		v := c.Reg[reg]
		if reg == 5 {
			c.Reg[6] &^= 1
		}
		return v
	}
	c.pin = func() bool { return c.OnRead(6)&1 != 0 && c.Reg[0x0a]&1 == 0 }
	c.PowerOn()
	return c
}

// NewNAU7802 simulates the converter of a load cell. ESPHome's component has the registers.
func NewNAU7802(raw int32) *Scale {
	c := &Scale{Raw: raw}
	c.Modes = []byte{0x00, 0x01, 0x02, 0x15, 0x1b, 0x1c}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[0x1f] = 0x0f
	}
	c.OnWrite = func(reg, v byte) {
		switch {
		case reg == 0x00 && v&1 != 0:
			c.PowerOn()
			c.Reg[0] = 1
		case reg == 0x00:
			if c.Reg[0] = v &^ 0x28; v&0x02 != 0 {
				c.Reg[0] |= 0x08
			}
			if v&0x16 == 0x16 && !c.Running() {
				c.Start(100 * time.Millisecond)
			}
		case reg == 0x02:
			if c.Reg[2] = v; v&4 != 0 {
				c.calibrated = time.Now().Add(300 * time.Millisecond)
			}
		case reg != 0x1f && (reg < 0x12 || reg > 0x14):
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Reg[2]&4 != 0 && !time.Now().Before(c.calibrated) {
			c.Reg[2] &^= 4
		}
		if c.Finish() {
			v := c.Raw
			if c.Reg[1]&7 != 7 {
				v /= 2
			}
			c.Put(0x12, byte(v>>16), byte(v>>8), byte(v))
			c.Reg[0] |= 0x20
			c.Start(100 * time.Millisecond)
		}
		v := c.Reg[reg]
		if reg == 0x14 {
			c.Reg[0] &^= 0x20
		}
		return v
	}
	c.PowerOn()
	return c
}

// Scale is a chip that weighs.
type Scale struct {
	Registers
	Conversion
	Raw int32

	calibrated time.Time
}

// Pin implements Pinned: DRDY, high while there is a conversion that was not read, or low.
func (c *Scale) Pin() bool { return c.OnRead(0)&0x20 != 0 != (c.Reg[1]&0x80 != 0) }

// NewLIS3DH simulates the LIS3DH, off after power-on.
func NewLIS3DH(amplitude, gravity float64) *Shaker {
	c := &Shaker{Amplitude: amplitude, Hertz: 4, Gravity: gravity, ID: 0x33, idReg: 0x0f, began: time.Now()}
	c.OnPowerOn = func() { c.Reg[0x0f], c.Reg[0x20] = c.ID, 0x07 }
	c.Modes = []byte{0x20, 0x21, 0x22, 0x23, 0x24, 0x25}
	c.OnWrite = func(reg, v byte) {
		if reg &= 0x7f; reg != 0x0f {
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(reg byte) byte {
		if reg &= 0x7f; reg < 0x28 || reg >= 0x2e || c.Reg[0x20]&0xf0 == 0 {
			return c.Reg[reg]
		}
		i := (reg - 0x28) / 2
		v := c.counts()[i] << 4
		switch {
		case c.Reg[0x20]>>i&1 == 0, c.Reg[0x21] != 0: // an axis that is off; a filter takes gravity away
			v = 0
		case c.Reg[0x23]&0x30 != 0x20:
			v /= 2
		}
		return byte(uint16(v) >> (8 * (reg & 1)))
	}
	c.Next = func(reg byte) byte {
		if reg&0x80 == 0 {
			return reg
		}
		return reg + 1
	}
	c.PowerOn()
	return c
}
