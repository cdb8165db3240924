package i2cmodel

import "time"

// VL53L0X models what the kernel's driver uses of the VL53L0X.
type VL53L0X struct {
	Registers
	conversion
	Millimetres uint16
	Status      byte // 11 is a good range
	ID          byte
}

// NewVL53L0X makes one that sees something at a distance.
func NewVL53L0X(mm uint16) *VL53L0X {
	c := &VL53L0X{Millimetres: mm, Status: 11, ID: 0xee}
	c.reset = func() {
		c.abort()
		c.Reg[0xc0] = c.ID
	}
	c.wrote = func(reg, v byte) {
		c.Reg[reg] = v
		switch {
		case reg == 0x0b:
			c.Reg[0x14] &^= 1
		case reg == 0x00 && v == 1:
			c.start(33 * time.Millisecond)
		}
	}
	c.read = func(reg byte) byte {
		if c.finish() {
			c.Reg[0x14] = c.Status<<3 | 1
			c.Put(0x1e, byte(c.Millimetres>>8), byte(c.Millimetres))
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// VL53L1X models the VL53L1X: registers of 16 bits, a configuration that is lost with the
// power, ranging while it is started.
type VL53L1X struct {
	conversion
	Millimetres uint16
	Status      byte // 9 is a good range
	ID          uint16

	reg [0x200]byte
	ptr int
}

// NewVL53L1X makes one that sees something at a distance.
func NewVL53L1X(mm uint16) *VL53L1X {
	c := &VL53L1X{Millimetres: mm, Status: 9, ID: 0xeacc}
	c.PowerOn()
	return c
}

// PowerOn implements driverstest.I2CChip.
func (c *VL53L1X) PowerOn() {
	c.abort()
	c.reg = [0x200]byte{}
	c.reg[0x10f], c.reg[0x110] = byte(c.ID>>8), byte(c.ID)
}

// Write implements driverstest.I2CChip.
func (c *VL53L1X) Write(b []byte) error {
	if len(b) < 2 {
		return errNAK
	}
	c.ptr = int(b[0])<<8 | int(b[1])
	for _, v := range b[2:] {
		if c.ptr >= len(c.reg) {
			return errNAK
		}
		c.reg[c.ptr] = v
		switch {
		case c.ptr == 0x86 && v&1 == 1:
			c.reg[0x31] &^= 1
		case c.ptr == 0x87 && v == 0x40:
			c.start(100 * time.Millisecond)
		case c.ptr == 0x87:
			c.abort()
		}
		c.ptr++
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *VL53L1X) Read(b []byte) error {
	if c.finish() {
		c.reg[0x31] |= 1
		c.reg[0x89] = c.Status
		c.reg[0x96], c.reg[0x97] = byte(c.Millimetres>>8), byte(c.Millimetres)
	}
	for i := range b {
		b[i] = c.reg[c.ptr%len(c.reg)]
		c.ptr++
	}
	return nil
}
