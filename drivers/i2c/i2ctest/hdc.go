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
	c.Modes = []byte{2}
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
		if c.Reg[2]&0x2000 != 0 { // the heater
			c.Reg[0] += 1000
		}
	}
	if c.Running() {
		return ErrNAK
	}
	return c.Words.Read(b)
}

// NewHDC302x simulates the HDC3020, with its automatic mode and heater. SNVSBY3 section 7.
func NewHDC302x(t, rh uint16) *Measuring { return newPeriodic(t, rh, 0x3000) }
