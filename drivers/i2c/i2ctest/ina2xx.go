package i2ctest

import "time"

// PowerMonitor simulates the INA2xx with 16-bit registers: a triggered conversion, its
// flag, values that appear when it is over.
type PowerMonitor struct {
	Words
	Conversion
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
	c.Modes = []byte{configReg, 5, flagReg, 7}
	if flagReg < 5 { // a measurement, which is not written to
		c.Modes = []byte{configReg, 5}
	}
	c.conf.reg, c.conf.reset, c.conf.fixed = configReg, configReset, fixed
	c.flag.reg, c.flag.bit = flagReg, flagBit
	ready := false
	c.OnPowerOn = func() {
		c.Abort()
		ready = false
		c.Reg[configReg] = configReset
		c.Start(c.Takes) // it converts on its own after power-on
	}
	c.OnWrite = func(reg byte, v uint16) {
		if _, ro := c.IDs[reg]; ro {
			return
		}
		if reg == configReg {
			v = v&^fixed | configReset&fixed
			ready = false
			c.Start(c.Takes)
		}
		c.Reg[reg] = v
	}
	c.OnRead = func(reg byte) uint16 {
		if c.Finish() {
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

// NewINA219 simulates the INA219. SBOS448 section 8.6.
func NewINA219(shunt, volts uint16) *PowerMonitor {
	c := newPowerMonitor(0, 0x399f, 0, 2, 2, 17*time.Millisecond, nil, map[byte]uint16{1: shunt, 2: volts})
	read := c.OnRead
	c.OnRead = func(reg byte) uint16 {
		v := read(reg)
		// Full scale of the 16 V range is 4000 steps, of the 32 V range 8000. Section 8.6.3.2.
		if reg == 2 && c.Reg[0]&0x2000 == 0 && v>>3 > 4000 {
			v = 4000<<3 | v&7
		}
		return v
	}
	return c
}

// NewINA226 simulates the INA226. SBOS547 section 7.6.
func NewINA226(shunt, volts uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x4127, 0x4000, 6, 8, 35200*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x2260}, map[byte]uint16{1: shunt, 2: volts})
}

// NewINA260 simulates the INA260. SBOS656 section 8.6.
func NewINA260(amps, volts uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x6127, 0x7000, 6, 8, 35200*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x2270}, map[byte]uint16{1: amps, 2: volts})
}

// NewINA3221 simulates the INA3221. SBOS576 section 8.6.
func NewINA3221(values map[byte]uint16) *PowerMonitor {
	return newPowerMonitor(0, 0x7127, 0, 0x0f, 1, 105600*time.Microsecond,
		map[byte]uint16{0xfe: 0x5449, 0xff: 0x3220}, values)
}
