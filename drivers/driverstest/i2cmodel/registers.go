package i2cmodel

import (
	"time"

	"sensorgate/drivers/driverstest"
)

// Registers is a chip with a pointer register and byte registers that follow each other.
type Registers struct {
	Reg   [256]byte
	reset func()                      // puts the reset values into Reg
	wrote func(reg, v byte)           // instead of storing v
	read  func(reg byte) (v byte)     // instead of Reg[reg]
	next  func(reg byte) (after byte) // instead of reg+1
	ptr   byte
}

// PowerOn implements driverstest.I2CChip.
func (c *Registers) PowerOn() {
	c.Reg, c.ptr = [256]byte{}, 0
	if c.reset != nil {
		c.reset()
	}
}

// Write implements driverstest.I2CChip: a register address, then values.
func (c *Registers) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	for _, v := range b[1:] {
		if c.wrote != nil {
			c.wrote(c.ptr, v)
		} else {
			c.Reg[c.ptr] = v
		}
		c.advance()
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *Registers) Read(b []byte) error {
	for i := range b {
		if c.read != nil {
			b[i] = c.read(c.ptr)
		} else {
			b[i] = c.Reg[c.ptr]
		}
		c.advance()
	}
	return nil
}

func (c *Registers) advance() {
	if c.next != nil {
		c.ptr = c.next(c.ptr)
		return
	}
	c.ptr++
}

// Put writes values from register reg on.
func (c *Registers) Put(reg byte, values ...byte) { copy(c.Reg[reg:], values) }

// Words is a chip with a pointer register and 16-bit registers, high byte first.
type Words struct {
	Reg   map[byte]uint16
	reset func()
	wrote func(reg byte, v uint16)
	read  func(reg byte) uint16
	ptr   byte
}

// PowerOn implements driverstest.I2CChip.
func (c *Words) PowerOn() {
	c.Reg, c.ptr = map[byte]uint16{}, 0
	if c.reset != nil {
		c.reset()
	}
}

// Write implements driverstest.I2CChip.
func (c *Words) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) < 3 {
		return nil
	}
	v := uint16(b[1])<<8 | uint16(b[2])
	if c.wrote != nil {
		c.wrote(c.ptr, v)
	} else {
		c.Reg[c.ptr] = v
	}
	return nil
}

// Read implements driverstest.I2CChip. A register is sent over and over.
func (c *Words) Read(b []byte) error {
	v := c.Reg[c.ptr]
	if c.read != nil {
		v = c.read(c.ptr)
	}
	for i := range b {
		b[i] = byte(v >> (8 * (1 - i%2)))
	}
	return nil
}

// conversion is a measurement that takes its time.
type conversion struct {
	factor  float64
	until   time.Time
	running bool
}

// Slow implements driverstest.Slower.
func (c *conversion) Slow(factor float64) { c.factor = factor }

func (c *conversion) start(d time.Duration) {
	f := c.factor
	if f == 0 {
		f = 1
	}
	c.until = time.Now().Add(time.Duration(float64(d) * f))
	c.running = true
}

// finish reports, once, that the measurement is over.
func (c *conversion) finish() bool {
	if !c.running || time.Now().Before(c.until) {
		return false
	}
	c.running = false
	return true
}

// abort forgets the measurement: the power went.
func (c *conversion) abort() { c.running = false }

var errNAK = driverstest.ErrNAK
