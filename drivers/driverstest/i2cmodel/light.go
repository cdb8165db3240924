package i2cmodel

import "time"

// VEML7700 models the VEML7700: 16-bit registers, low byte first.
type VEML7700 struct {
	conversion
	Lux float64

	reg [8]uint16
	ptr byte
}

// NewVEML7700 makes one in this light, of which it counts what its data sheet says,
// before its non-linearity.
func NewVEML7700(lux float64) *VEML7700 {
	c := &VEML7700{Lux: lux}
	c.PowerOn()
	return c
}

// PowerOn implements driverstest.I2CChip.
func (c *VEML7700) PowerOn() {
	c.abort()
	c.reg, c.ptr = [8]uint16{0: 1}, 0
}

// Write implements driverstest.I2CChip.
func (c *VEML7700) Write(b []byte) error {
	c.ptr = b[0] & 7
	if len(b) == 3 {
		c.reg[c.ptr] = uint16(b[1]) | uint16(b[2])<<8
		if c.ptr == 0 && b[1]&1 == 0 {
			c.start(c.exposure() + 3*time.Millisecond)
		}
	}
	return nil
}

func (c *VEML7700) exposure() time.Duration {
	return map[uint16]time.Duration{12: 25, 8: 50, 0: 100, 1: 200, 2: 400, 3: 800}[c.reg[0]>>6&15] * time.Millisecond
}

// Read implements driverstest.I2CChip.
func (c *VEML7700) Read(b []byte) error {
	if c.finish() {
		gain := []float64{1, 2, 0.125, 0.25}[c.reg[0]>>11&3]
		perLux := gain / 2 * float64(c.exposure()/time.Millisecond) / 800 / 0.0042
		c.reg[4] = uint16(min(c.Lux*perLux, 0xffff))
	}
	for i := range b {
		b[i] = byte(c.reg[c.ptr] >> (8 * (i % 2)))
	}
	return nil
}

// Channels is a light sensor with two colours whose conversion starts when it is
// enabled.
type Channels struct {
	Registers
	conversion
	ID       byte
	Ch0, Ch1 float64 // counts in the most sensitive setting
}

// NewTSL2561 models the TSL2561: a command byte before each register. TAOS059.
func NewTSL2561(id byte, ch0, ch1 float64) *Channels {
	c := &Channels{ID: id, Ch0: ch0, Ch1: ch1}
	c.reset = func() {
		c.abort()
		c.Reg[0x8a], c.Reg[0x81] = c.ID, 0x02
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x80 && v&3 == 3 {
			c.start(map[byte]time.Duration{0: 13700 * time.Microsecond, 1: 101 * time.Millisecond, 2: 402 * time.Millisecond}[c.Reg[0x81]&3])
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
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

func (c *Channels) put16(reg byte, v float64) { c.Put(reg, byte(uint16(v)), byte(uint16(v)>>8)) }

// NewTSL2591 models the TSL2591; counts are those of gain 428 and 100 ms.
func NewTSL2591(ch0, ch1 float64) *Channels {
	c := &Channels{ID: 0x50, Ch0: ch0, Ch1: ch1}
	c.reset = func() {
		c.abort()
		c.Reg[0xb2] = c.ID
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0xa0 && v&3 == 3 {
			c.Reg[0xb3] = 0
			c.start(100 * time.Millisecond)
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
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

// NewLTR390 models the LTR390. Ch0 are counts of light with gain 3 and 18 bits, Ch1 of
// ultraviolet with gain 18 and 20 bits.
func NewLTR390(als, uvs float64) *Channels {
	c := &Channels{ID: 0xb2, Ch0: als, Ch1: uvs}
	c.reset = func() {
		c.abort()
		c.Reg[0x06], c.Reg[0x04], c.Reg[0x05] = c.ID, 0x22, 0x01
		c.Reg[0x07] = 0x20 // power on
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x00 && v&2 != 0 {
			c.start(map[byte]time.Duration{0: 400, 1: 200, 2: 100, 3: 50, 4: 25}[c.Reg[0x04]>>4&7] * time.Millisecond)
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
			put := func(reg byte, v uint32) { c.Put(reg, byte(v), byte(v>>8), byte(v>>16)) }
			gain := []float64{1, 3, 6, 9, 18}[c.Reg[0x05]]
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

// Gas is a gas sensor that measures every second once it is told to.
type Gas struct {
	Registers
	Values   []byte // what it says
	Validity byte   // of an ENS160
	next     time.Time
}

// NewENS160 models the ENS160.
func NewENS160(aqi byte, tvoc, eco2 uint16) *Gas {
	c := &Gas{Values: []byte{aqi, byte(tvoc), byte(tvoc >> 8), byte(eco2), byte(eco2 >> 8)}}
	c.reset = func() {
		c.next = time.Time{}
		c.Put(0x00, 0x60, 0x01)
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		if reg == 0x10 && v == 2 {
			c.next = time.Now().Add(time.Second)
		}
	}
	c.read = func(reg byte) byte {
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

// CCS811 models the CCS811: registers of their own length.
type CCS811 struct {
	ECO2, TVOC uint16
	ErrorID    byte
	ID         byte

	reg     byte
	running bool
	mode    byte
	next    time.Time
}

// PowerOn implements driverstest.I2CChip.
func (c *CCS811) PowerOn() {
	*c = CCS811{ECO2: c.ECO2, TVOC: c.TVOC, ErrorID: c.ErrorID, ID: c.ID}
}

// Write implements driverstest.I2CChip.
func (c *CCS811) Write(b []byte) error {
	c.reg = b[0]
	switch {
	case c.reg == 0xf4 && len(b) == 1:
		c.running = true
	case c.reg == 0x01 && len(b) == 2 && c.running:
		c.mode = b[1]
		c.next = time.Now().Add(time.Second)
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *CCS811) Read(b []byte) error {
	status := byte(0x10)
	if c.running {
		status |= 0x80
	}
	if c.ErrorID != 0 {
		status |= 1
	}
	ready := c.mode != 0 && !time.Now().Before(c.next)
	var out []byte
	switch c.reg {
	case 0x00:
		out = []byte{status}
	case 0x01:
		out = []byte{c.mode}
	case 0x20:
		out = []byte{c.ID}
	case 0x02:
		if ready {
			status |= 8
			c.next = time.Now().Add(time.Second)
		}
		out = []byte{byte(c.ECO2 >> 8), byte(c.ECO2), byte(c.TVOC >> 8), byte(c.TVOC), status, c.ErrorID, 0, 0}
	}
	copy(b, out)
	return nil
}
