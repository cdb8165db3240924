package i2ctest

import "time"

// HDC1080 simulates the HDC1080: a measurement starts when its register is named, and the
// chip does not acknowledge a read before it is done. SNAS672 section 8.5.
type HDC1080 struct {
	Words
	Conversion
	Raw [2]uint16
	ID  uint16
}

// NewHDC1080 makes a chip that measures t and rh.
func NewHDC1080(t, rh uint16) *HDC1080 {
	c := &HDC1080{Raw: [2]uint16{t, rh}, ID: 0x1050}
	c.OnPowerOn = func() {
		c.Abort()
		c.Reg[2], c.Reg[0xfe], c.Reg[0xff] = 0x1000, 0x5449, c.ID
	}
	c.PowerOn()
	return c
}

// Write implements Chip.
func (c *HDC1080) Write(b []byte) error {
	if err := c.Words.Write(b); err != nil {
		return err
	}
	if len(b) == 1 && b[0] < 2 {
		c.Start(6350 * time.Microsecond)
	}
	return nil
}

// Read implements Chip.
func (c *HDC1080) Read(b []byte) error {
	if c.Finish() {
		c.Reg[0], c.Reg[1] = c.Raw[0], c.Raw[1]
	}
	if c.Running() {
		return ErrNAK
	}
	return c.Words.Read(b)
}

// NewHDC302x simulates the HDC3020. SNVSBY3 section 7.
func NewHDC302x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: 0x3000, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch cmd {
		case 0x3781:
			return []uint16{c.ID}, 0, true
		case 0x2400:
			return c.Raw[:], 12500 * time.Microsecond, true
		}
		return nil, 0, false
	}
	return c
}
