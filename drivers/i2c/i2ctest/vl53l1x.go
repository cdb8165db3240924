package i2ctest

import "time"

// VL53L1X simulates the VL53L1X: registers of 16 bits, a configuration that is lost with the
// power, ranging while it is started.
type VL53L1X struct {
	Conversion
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

// PowerOn implements Chip.
func (c *VL53L1X) PowerOn() {
	c.Abort()
	c.reg = [0x200]byte{}
	c.reg[0x10f], c.reg[0x110] = byte(c.ID>>8), byte(c.ID)
}

// Write implements Chip.
func (c *VL53L1X) Write(b []byte) error {
	if len(b) < 2 {
		return ErrNAK
	}
	c.ptr = int(b[0])<<8 | int(b[1])
	for _, v := range b[2:] {
		if c.ptr >= len(c.reg) {
			return ErrNAK
		}
		c.reg[c.ptr] = v
		switch {
		case c.ptr == 0x86 && v&1 == 1:
			c.reg[0x31] &^= 1
		case c.ptr == 0x87 && v == 0x40:
			c.Start(100 * time.Millisecond)
		case c.ptr == 0x87:
			c.Abort()
		}
		c.ptr++
	}
	return nil
}

// Read implements Chip.
func (c *VL53L1X) Read(b []byte) error {
	if c.Finish() {
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
