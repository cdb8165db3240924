package i2ctest

// Words simulates a chip with a pointer register and 16-bit registers, high byte first.
type Words struct {
	Reg map[byte]uint16

	OnPowerOn func()                   // puts the reset values into Reg
	OnWrite   func(reg byte, v uint16) // instead of storing v
	OnRead    func(reg byte) uint16    // instead of Reg[reg]
	ptr       byte
}

// PowerOn implements Chip.
func (c *Words) PowerOn() {
	c.Reg, c.ptr = map[byte]uint16{}, 0
	if c.OnPowerOn != nil {
		c.OnPowerOn()
	}
}

// Write implements Chip.
func (c *Words) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) < 3 {
		return nil
	}
	v := uint16(b[1])<<8 | uint16(b[2])
	if c.OnWrite != nil {
		c.OnWrite(c.ptr, v)
	} else {
		c.Reg[c.ptr] = v
	}
	return nil
}

// Read implements Chip. A register is sent over and over.
func (c *Words) Read(b []byte) error {
	v := c.Reg[c.ptr]
	if c.OnRead != nil {
		v = c.OnRead(c.ptr)
	}
	for i := range b {
		b[i] = byte(v >> (8 * (1 - i%2)))
	}
	return nil
}
