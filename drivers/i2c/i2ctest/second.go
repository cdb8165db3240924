package i2ctest

import (
	"math/rand/v2"
	"time"
)

// NewOPT3001 simulates the OPT3001: a conversion of 800 ms, whose flag reading the
// configuration takes away.
func NewOPT3001(raw uint16) *PowerMonitor {
	c := newPowerMonitor(1, 0xc810, 0, 1, 0, 800*time.Millisecond, map[byte]uint16{0x7e: 0x5449, 0x7f: 0x3001}, map[byte]uint16{0: raw})
	ready := false
	on, write, read := c.OnPowerOn, c.OnWrite, c.OnRead
	c.OnPowerOn = func() {
		on()
		ready = false
		c.Abort() // off after power-on
	}
	c.OnWrite = func(reg byte, v uint16) {
		if write(reg, v); reg != 1 {
			return
		}
		if ready = false; v&0x0600 == 0 {
			c.Abort()
		}
	}
	c.OnRead = func(reg byte) uint16 {
		was := c.Running()
		v := read(reg)
		if was && !c.Running() {
			ready = true
			c.Reg[1] &^= 0x0600
			v &^= 0x0600
		}
		if reg == 1 && ready {
			ready = false
			v |= 0x0080
		}
		return v
	}
	c.Modes = []byte{1}
	c.PowerOn()
	return c
}

// NewINA238 simulates INA237 and INA238. ESPHome's ina2xx_base has the registers.
func NewINA238(shunt, volts, t uint16) *PowerMonitor {
	c := newPowerMonitor(1, 0xfb68, 0, 0x0b, 2, 50500*time.Microsecond, map[byte]uint16{0x3e: 0x5449, 0x3f: 0x2381},
		map[byte]uint16{4: shunt, 5: volts, 6: t})
	read := c.OnRead
	c.OnRead = func(reg byte) uint16 {
		v := read(reg)
		if reg == 4 && c.Reg[0]&0x0010 != 0 { // ±40.96 mV: a quarter of the step
			v *= 4
		}
		return v
	}
	c.Modes = []byte{0, 1}
	return c
}

// NewMAX17048 simulates MAX17048 and MAX17049 with a cell of this voltage, charge and rate.
// esp-idf-lib's max1704x has the registers.
func NewMAX17048(volts, charge, rate uint16) *Words {
	c := &Words{}
	c.OnPowerOn = func() {
		c.Reg[0x02], c.Reg[0x04], c.Reg[0x16] = volts, charge, rate
		c.Reg[0x08], c.Reg[0x1a] = 0x0011, 0x0100
	}
	c.Modes = []byte{0x1a}
	c.OnWrite = func(reg byte, v uint16) {
		if reg == 0x1a {
			c.Reg[reg] = v
		}
	}
	c.PowerOn()
	return c
}

// Demand is a chip with registers that measures when it is asked: ST's barometers and
// hygrometers.
type Demand struct {
	Registers
	Conversion
	Data    []byte          // what the next measurement finds
	Initial map[byte][]byte // after power-on

	ready byte // bits of the status

	config, rate, rated byte    // a register, the bits of its rate, and what they are for once a second
	drdy                [2]byte // a register and the bit of it that has the pin show ready
}

// Pin implements Pinned: DRDY.
func (c *Demand) Pin() bool {
	c.OnRead(c.drdy[0])
	return c.Reg[c.drdy[0]]&c.drdy[1] != 0 && c.ready == 3
}

// free reports whether it measures on its own, once a second.
func (c *Demand) free() bool { return c.rate != 0 && c.Reg[c.config]&c.rate == c.rated }

// newDemand makes one whose results are from at on. burst is the bit of a register's number
// that has it read on, 0 if it always does; bit 0 of shot starts a measurement, if may.
func newDemand(at, status, burst, shot byte, takes time.Duration, data []byte, initial map[byte][]byte, may func(c *Demand) bool) *Demand {
	c := &Demand{Data: data, Initial: initial}
	c.OnPowerOn = func() {
		c.Abort()
		c.ready = 0
		for reg, values := range c.Initial {
			c.Put(reg, values...)
		}
	}
	c.OnWrite = func(reg, v byte) {
		if reg &^= burst; reg == 0x0f || reg >= status {
			return
		}
		if c.Reg[reg] = v; reg == shot && v&1 != 0 && may(c) {
			c.ready = 0
			c.Start(takes)
		}
		if reg == c.config && c.rate != 0 {
			if c.Abort(); c.free() {
				c.Start(time.Second)
			}
		}
	}
	c.OnRead = func(reg byte) byte {
		if c.Finish() {
			c.Put(at, c.Data...)
			c.ready = 3
			if c.Reg[shot] &^= 1; c.free() {
				c.Start(time.Second)
			}
		}
		reg &^= burst
		switch {
		case reg == status:
			return c.ready
		case reg == at+byte(len(c.Data))-1:
			c.ready = 0 // everything was read
		}
		return c.Reg[reg]
	}
	c.Next = func(reg byte) byte {
		if burst != 0 && reg&burst == 0 {
			return reg
		}
		return reg + 1
	}
	c.PowerOn()
	return c
}

// NewLPS22HB simulates the LPS22HB.
func NewLPS22HB(data []byte) *Demand {
	c := newDemand(0x28, 0x27, 0, 0x11, 15*time.Millisecond, data, map[byte][]byte{0x0f: {0xb1}, 0x11: {0x10}}, func(*Demand) bool { return true })
	c.Modes = []byte{0x10}
	c.config, c.rate, c.rated, c.drdy = 0x10, 0x70, 0x10, [2]byte{0x12, 0x04}
	return c
}

// NewLPS25HB simulates the LPS25HB.
func NewLPS25HB(data []byte) *Demand {
	c := newDemand(0x28, 0x27, 0x80, 0x21, 36*time.Millisecond, data, map[byte][]byte{0x0f: {0xbd}}, powered)
	c.Modes = []byte{0x20}
	c.config, c.rate, c.rated, c.drdy = 0x20, 0xf0, 0x90, [2]byte{0x23, 0x01}
	return c
}

// NewHTS221 simulates the HTS221; calibration are the sixteen bytes from 0x30.
func NewHTS221(calibration, data []byte) *Demand {
	c := newDemand(0x28, 0x27, 0x80, 0x21, 10*time.Millisecond, data, map[byte][]byte{0x0f: {0xbc}, 0x30: calibration}, powered)
	c.Modes = []byte{0x20, 0x21}
	c.config, c.rate, c.rated, c.drdy = 0x20, 0x83, 0x81, [2]byte{0x22, 0x04}
	return c
}

// powered is bit 7 of CTRL_REG1.
func powered(c *Demand) bool { return c.Reg[0x20]&0x80 != 0 }

// MS56 simulates TE's MS5611 and MS5637: a memory, and two conversions on command.
type MS56 struct {
	Conversion
	PROM   []uint16
	D1, D2 uint32

	cmd    byte
	result uint32
	which  byte
}

// PowerOn implements Chip.
func (c *MS56) PowerOn() {
	c.Abort()
	c.cmd, c.result = 0, 0
}

// Leave implements Leaver: a conversion was started that nobody has read.
func (c *MS56) Leave(r *rand.Rand) {
	_ = c.Write([]byte{[]byte{0x40, 0x48, 0x50, 0x58, 0x1e}[r.IntN(5)]})
}

// Write implements Chip.
func (c *MS56) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	switch c.cmd = b[0]; {
	case c.cmd == 0x1e:
		c.Abort()
		c.result = 0
	case c.cmd&0xe0 == 0x40:
		c.which, c.result = c.cmd, 0
		c.Start(9 * time.Millisecond)
	}
	return nil
}

// Read implements Chip.
func (c *MS56) Read(b []byte) error {
	if c.Finish() {
		if c.result = c.D1; c.which&0x10 != 0 {
			c.result = c.D2
		}
	}
	v, size := c.result, 3
	if i := int(c.cmd-0xa0) / 2; c.cmd >= 0xa0 && i < len(c.PROM) {
		v, size = uint32(c.PROM[i]), 2
	} else {
		c.result = 0 // it is read once
	}
	for i := range b {
		b[i] = byte(v >> (8 * (size - 1 - i%size)))
	}
	return nil
}

// NewMAX44009 simulates the MAX44009, which measures all the time, in a range of its own or
// one that was set by hand.
func NewMAX44009(high, low byte) *Registers {
	c := &Registers{Modes: []byte{0x01, 0x02, 0x07}}
	c.OnPowerOn = func() { c.Put(0x02, 0x03); c.Put(0x07, 0xff) }
	c.OnRead = func(reg byte) byte {
		switch {
		case reg == 0x03 && c.Reg[0x02]&0x40 == 0:
			return high
		case reg == 0x04 && c.Reg[0x02]&0x40 == 0:
			return low
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// MCP342x simulates MCP3421 to MCP3424. DS22088 section 5.
type MCP342x struct {
	Conversion
	Code map[byte]int32 // by the bits of the channel and the gain
	// ADS is that it is an ADS1110: 16 bits, and the bit for one conversion on demand is the
	// other way round. libdriver's ads1110 has its configuration.
	ADS bool

	config byte
	shown  int32
	fresh  bool
}

// PowerOn implements Chip.
func (c *MCP342x) PowerOn() {
	c.Abort()
	if c.config, c.shown, c.fresh = 0x10, 0, false; c.ADS {
		c.config = 0x0c
	}
	c.Start(5 * time.Millisecond)
}

// Leave implements Leaver.
func (c *MCP342x) Leave(r *rand.Rand) { _ = c.Write([]byte{byte(r.Uint32())}) }

// Write implements Chip.
func (c *MCP342x) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.config, c.fresh = b[0]&^0x80, false
	switch {
	case c.ADS && b[0]&0x90 != 0x10:
		c.Start(67 * time.Millisecond >> (2 * (3 - b[0]>>2&3)))
	case !c.ADS && b[0]&0x90 != 0:
		c.Start(267 * time.Millisecond)
	}
	return nil
}

// Read implements Chip.
func (c *MCP342x) Read(b []byte) error {
	if c.Finish() {
		c.shown, c.fresh = c.Code[c.config&0x63], true
	}
	out := []byte{byte(c.shown >> 16), byte(c.shown >> 8), byte(c.shown)}
	if c.ADS || c.config&0x0c != 0x0c { // not 18 bits: two bytes of data
		out = out[1:]
	}
	status := c.config
	if !c.fresh {
		status |= 0x80
	}
	c.fresh = false
	for i := range b {
		if b[i] = status; i < len(out) {
			b[i] = out[i]
		}
	}
	return nil
}
