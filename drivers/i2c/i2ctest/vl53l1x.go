package i2ctest

import (
	"math/rand/v2"
	"time"
)

// VL53L1X simulates the VL53L1X: registers of 16 bits, a configuration that is lost with the
// power, ranging while it is started.
type VL53L1X struct {
	Conversion
	Millimetres uint16
	Status      byte // 9 is a good range
	ID          uint16

	Results int // since the power came, or the reset

	OnPowerOn func() // more, for a relative

	start byte          // ranges one after the other
	takes time.Duration // each
	reg   [0x200]byte
	ptr   int
	taken int // since it was started
}

// NewVL53L1X makes one that sees something at a distance.
func NewVL53L1X(mm uint16) *VL53L1X {
	c := &VL53L1X{Millimetres: mm, Status: 9, ID: 0xeacc, start: 0x40, takes: 100 * time.Millisecond}
	c.PowerOn()
	return c
}

// NewVL53L4CD makes its relative for short distances, with a clock of this frequency.
func NewVL53L4CD(mm, oscillator uint16) *VL53L1X {
	c := &VL53L1X{Millimetres: mm, Status: 9, ID: 0xebaa, start: 0x21, takes: 50 * time.Millisecond}
	c.OnPowerOn = func() { c.reg[0xe5], c.reg[6], c.reg[7] = 3, byte(oscillator>>8), byte(oscillator) }
	c.PowerOn()
	return c
}

// Timing is what stands at 0x5e and on.
func (c *VL53L1X) Timing() []byte { return append([]byte(nil), c.reg[0x5e:0x64]...) }

// PowerOn implements Chip.
func (c *VL53L1X) PowerOn() {
	c.Abort()
	c.reg = [0x200]byte{}
	c.reg[0x10f], c.reg[0x110] = byte(c.ID>>8), byte(c.ID)
	c.reg[0xe5] = 1 // booted
	c.Results, c.taken = 0, 0
	if c.OnPowerOn != nil {
		c.OnPowerOn()
	}
}

// Leave implements Leaver: ranging, with other timing and another region of interest.
func (c *VL53L1X) Leave(r *rand.Rand) {
	for _, reg := range []uint16{0x2e, 0x30, 0x4b, 0x5e, 0x60, 0x61, 0x63, 0x69, 0x7f, 0x80, 0x87} {
		if r.IntN(2) == 0 {
			_ = c.Write([]byte{byte(reg >> 8), byte(reg), byte(r.Uint32())})
		}
	}
	if r.IntN(2) == 0 {
		_ = c.Write([]byte{0x00, 0x87, 0x40})
	}
}

// Pin implements Pinned: GPIO1, active high unless bit 4 of 0x30 says otherwise.
func (c *VL53L1X) Pin() bool {
	c.refresh()
	return c.reg[0x31]&1 != 0 != (c.reg[0x30]&0x10 != 0)
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
		case c.ptr == 0x00 && v == 0:
			c.PowerOn()
		case c.ptr == 0x86 && v&1 == 1:
			c.reg[0x31] &^= 1
			if (c.reg[0x87] == 0x40 || c.reg[0x87] == c.start) && !c.Running() {
				c.Start(c.takes)
			}
		case c.ptr == 0x87 && (v == 0x40 || v == c.start):
			c.taken = 0
			c.Start(c.takes)
		case c.ptr == 0x87:
			c.Abort()
		}
		c.ptr++
	}
	return nil
}

// refresh puts a result that is there into the registers.
func (c *VL53L1X) refresh() {
	if c.Finish() {
		c.reg[0x31] |= 1
		c.reg[0x89] = c.Status
		c.taken, c.Results = c.taken+1, c.Results+1
		// The first of a ranging has no other to be compared with: range valid, wrap around not
		// checked. VL53L1_RANGESTATUS_RANGE_VALID_NO_WRAP_CHECK_FAIL.
		if c.taken == 1 && c.Status == 9 {
			c.reg[0x89] = 19
		}
		c.reg[0x96], c.reg[0x97] = byte(c.Millimetres>>8), byte(c.Millimetres)
	}
}

// Read implements Chip.
func (c *VL53L1X) Read(b []byte) error {
	c.refresh()
	for i := range b {
		b[i] = c.reg[c.ptr%len(c.reg)]
		c.ptr++
	}
	return nil
}
