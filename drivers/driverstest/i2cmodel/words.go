package i2cmodel

import "time"

// ADS models ADS1115 and ADS1015: one shot, data rate, range and input in one register.
// SBAS444 section 9.6.
type ADS struct {
	Words
	conversion
	Rates []int
	Step  uint16              // of the code: 1, or 16 with 12 bits
	Code  func(mux int) int16 // what an input reads in the chosen range
	mux   int
}

// NewADS makes a converter.
func NewADS(rates []int, step uint16, code func(mux int) int16) *ADS {
	c := &ADS{Rates: rates, Step: step, Code: code}
	c.reset = func() {
		c.abort()
		c.Reg[0], c.Reg[1], c.Reg[2], c.Reg[3] = 0, 0x8583, 0x8000, 0x7fff
	}
	c.wrote = func(reg byte, v uint16) {
		c.Reg[reg&3] = v
		if reg == 1 && v&0x8000 != 0 {
			c.mux = int(v >> 12 & 7)
			c.start(time.Second / time.Duration(c.Rates[v>>5&7%uint16(len(c.Rates))]))
		}
	}
	c.read = func(reg byte) uint16 {
		if c.finish() {
			c.Reg[0] = uint16(c.Code(c.mux)) &^ (c.Step - 1)
		}
		if reg == 1 {
			if c.running {
				return c.Reg[1] &^ 0x8000
			}
			return c.Reg[1] | 0x8000
		}
		return c.Reg[reg&3]
	}
	c.PowerOn()
	return c
}

// PowerMonitor models the INA2xx with 16-bit registers: a triggered conversion, its
// flag, values that appear when it is over.
type PowerMonitor struct {
	Words
	conversion
	IDs    map[byte]uint16
	Values map[byte]uint16
	Takes  time.Duration
	conf   struct {
		reg   byte
		reset uint16
		fixed uint16 // reads as in reset
	}
	flag struct {
		reg byte
		bit uint16
	}
}

func newPowerMonitor(configReg byte, configReset, fixed uint16, flagReg byte, flagBit uint16, takes time.Duration, ids, values map[byte]uint16) *PowerMonitor {
	c := &PowerMonitor{IDs: ids, Values: values, Takes: takes}
	c.conf.reg, c.conf.reset, c.conf.fixed = configReg, configReset, fixed
	c.flag.reg, c.flag.bit = flagReg, flagBit
	ready := false
	c.reset = func() {
		c.abort()
		ready = false
		c.Reg[configReg] = configReset
		c.start(c.Takes) // it converts on its own after power-on
	}
	c.wrote = func(reg byte, v uint16) {
		if _, ro := c.IDs[reg]; ro {
			return
		}
		if reg == configReg {
			v = v&^fixed | configReset&fixed
			ready = false
			c.start(c.Takes)
		}
		c.Reg[reg] = v
	}
	c.read = func(reg byte) uint16 {
		if c.finish() {
			ready = true
			for r, v := range c.Values {
				c.Reg[r] = v
			}
		}
		if id, ok := c.IDs[reg]; ok {
			return id
		}
		v := c.Reg[reg]
		if reg == flagReg && ready {
			v |= flagBit
		}
		return v
	}
	c.PowerOn()
	return c
}

// NewINA219 models the INA219. SBOS448 section 8.6.
func NewINA219(shunt, volts uint16) *PowerMonitor {
	c := newPowerMonitor(0, 0x399f, 0, 2, 2, 17*time.Millisecond, nil, map[byte]uint16{1: shunt, 2: volts})
	read := c.read
	c.read = func(reg byte) uint16 {
		v := read(reg)
		// Full scale of the 16 V range is 4000 steps, of the 32 V range 8000. Section 8.6.3.2.
		if reg == 2 && c.Reg[0]&0x2000 == 0 && v>>3 > 4000 {
			v = 4000<<3 | v&7
		}
		return v
	}
	return c
}

// NewINA226 models the INA226. SBOS547 section 7.6.
func NewINA226(shunt, volts uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x4127, 0x4000, 6, 8, 35200*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x2260}, map[byte]uint16{1: shunt, 2: volts})
}

// NewINA260 models the INA260. SBOS656 section 8.6.
func NewINA260(amps, volts uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x6127, 0x7000, 6, 8, 35200*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x2270}, map[byte]uint16{1: amps, 2: volts})
}

// NewINA3221 models the INA3221. SBOS576 section 8.6.
func NewINA3221(values map[byte]uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x7127, 0, 0x0f, 1, 105600*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x3220}, values)
}

// NewTMP102 models TMP102 and TMP112. SBOS397 section 6.5.
func NewTMP102(raw uint16) *Thermometer {
	c := &Thermometer{Raw: raw}
	c.reset = func() {
		c.abort()
		c.Reg[0], c.Reg[1], c.Reg[2], c.Reg[3] = 0, 0x60a0, 0x4b00, 0x5000
		c.start(26 * time.Millisecond) // it converts on its own
	}
	c.wrote = func(reg byte, v uint16) {
		if reg == 1 {
			c.Reg[1] = v&0x9fdf | 0x6020
			if v&0x8100 == 0x8100 {
				c.start(26 * time.Millisecond)
			}
			return
		}
		c.Reg[reg] = v
	}
	c.read = func(reg byte) uint16 {
		if c.finish() {
			c.Reg[0] = c.Raw
		}
		if reg == 1 {
			v := c.Reg[1] &^ 0x8000
			if c.Reg[1]&0x0100 != 0 && !c.running {
				v |= 0x8000
			}
			return v
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// Thermometer is a chip with 16-bit registers whose register holds Raw once it has
// converted.
type Thermometer struct {
	Words
	conversion
	Raw uint16
	IDs map[byte]uint16
}

// newThermometer makes one that converts on its own; until the first conversion its
// register holds none.
func newThermometer(reg byte, raw, none uint16, takes time.Duration, ids, initial map[byte]uint16) *Thermometer {
	c := &Thermometer{Raw: raw, IDs: ids}
	c.reset = func() {
		c.abort()
		for r, v := range initial {
			c.Reg[r] = v
		}
		c.Reg[reg] = none
		c.start(takes)
	}
	c.wrote = func(reg byte, v uint16) {
		if _, ro := c.IDs[reg]; !ro {
			c.Reg[reg] = v
		}
	}
	c.read = func(r byte) uint16 {
		if c.finish() {
			c.Reg[reg] = c.Raw
			c.start(takes)
		}
		if id, ok := c.IDs[r]; ok {
			return id
		}
		return c.Reg[r]
	}
	c.PowerOn()
	return c
}

// NewLM75 models the LM75 and its many relatives. SNIS153 section 7.6.
func NewLM75(raw uint16) *Thermometer {
	return newThermometer(0, raw, 0, 250*time.Millisecond, nil, map[byte]uint16{2: 0x4b00, 3: 0x5000})
}

// NewMCP9808 models the MCP9808. DS25095 section 5.
func NewMCP9808(raw uint16) *Thermometer {
	return newThermometer(5, raw, 0, 250*time.Millisecond, map[byte]uint16{6: 0x0054, 7: 0x0400}, nil)
}

// NewTMP117 models the TMP117: one shot, average, data ready. SNOSD82 section 7.6.
func NewTMP117(raw uint16) *Thermometer {
	c := &Thermometer{Raw: raw, IDs: map[byte]uint16{0x0f: 0x0117}}
	ready := false
	c.reset = func() {
		c.abort()
		ready = false
		c.Reg[0], c.Reg[1] = 0x8000, 0x0220
	}
	c.wrote = func(reg byte, v uint16) {
		c.Reg[reg] = v
		if reg == 1 && v&0x0c00 == 0x0c00 {
			ready = false
			c.start(125 * time.Millisecond)
		}
	}
	c.read = func(reg byte) uint16 {
		if c.finish() {
			c.Reg[0] = c.Raw
			c.Reg[1] = c.Reg[1]&^0x0c00 | 0x0400 // shut down again
			ready = true
		}
		if id, ok := c.IDs[reg]; ok {
			return id
		}
		v := c.Reg[reg]
		if reg == 1 && ready {
			v |= 0x2000
			ready = false // cleared by reading
		}
		return v
	}
	c.PowerOn()
	return c
}

// HDC1080 models the HDC1080: a measurement starts when its register is named, and the
// chip does not acknowledge a read before it is done. SNAS672 section 8.5.
type HDC1080 struct {
	Words
	conversion
	Raw [2]uint16
	ID  uint16
}

// NewHDC1080 makes a chip that measures t and rh.
func NewHDC1080(t, rh uint16) *HDC1080 {
	c := &HDC1080{Raw: [2]uint16{t, rh}, ID: 0x1050}
	c.reset = func() {
		c.abort()
		c.Reg[2], c.Reg[0xfe], c.Reg[0xff] = 0x1000, 0x5449, c.ID
	}
	c.PowerOn()
	return c
}

// Write implements driverstest.I2CChip.
func (c *HDC1080) Write(b []byte) error {
	if err := c.Words.Write(b); err != nil {
		return err
	}
	if len(b) == 1 && b[0] < 2 {
		c.start(6350 * time.Microsecond)
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *HDC1080) Read(b []byte) error {
	if c.finish() {
		c.Reg[0], c.Reg[1] = c.Raw[0], c.Raw[1]
	}
	if c.running {
		return errNAK
	}
	return c.Words.Read(b)
}
