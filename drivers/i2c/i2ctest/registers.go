package i2ctest

import "math/rand/v2"

// Registers simulates a chip with a pointer register and byte registers that follow each
// other. Without hooks it is a memory of 256 bytes; the hooks make a chip of it.
type Registers struct {
	Reg [256]byte

	OnPowerOn func()                      // puts the reset values into Reg
	OnWrite   func(reg, v byte)           // instead of storing v
	OnRead    func(reg byte) (v byte)     // instead of Reg[reg]
	Next      func(reg byte) (after byte) // instead of reg+1
	// Modes are the registers that Leave writes anything to.
	Modes []byte
	ptr   byte
}

// Leave implements Leaver: each of Modes has any value, or the one that it had.
func (c *Registers) Leave(r *rand.Rand) {
	for _, reg := range c.Modes {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{reg, byte(r.Uint32())})
		}
	}
}

// PowerOn implements Chip.
func (c *Registers) PowerOn() {
	c.Reg, c.ptr = [256]byte{}, 0
	if c.OnPowerOn != nil {
		c.OnPowerOn()
	}
}

// Write implements Chip: a register address, then values.
func (c *Registers) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	for _, v := range b[1:] {
		if c.OnWrite != nil {
			c.OnWrite(c.ptr, v)
		} else {
			c.Reg[c.ptr] = v
		}
		c.advance()
	}
	return nil
}

// Read implements Chip.
func (c *Registers) Read(b []byte) error {
	for i := range b {
		if c.OnRead != nil {
			b[i] = c.OnRead(c.ptr)
		} else {
			b[i] = c.Reg[c.ptr]
		}
		c.advance()
	}
	return nil
}

func (c *Registers) advance() {
	if c.Next != nil {
		c.ptr = c.Next(c.ptr)
		return
	}
	c.ptr++
}

// Put writes values from register reg on.
func (c *Registers) Put(reg byte, values ...byte) { copy(c.Reg[reg:], values) }
