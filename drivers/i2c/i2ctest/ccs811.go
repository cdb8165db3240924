package i2ctest

import (
	"math/rand/v2"
	"time"
)

// CCS811 simulates the CCS811: registers of their own length.
type CCS811 struct {
	ECO2, TVOC uint16
	ErrorID    byte
	ID         byte

	reg     byte
	running bool
	mode    byte
	next    time.Time
	env     [4]byte // temperature and humidity to compensate for
}

// PowerOn implements Chip.
func (c *CCS811) PowerOn() {
	*c = CCS811{ECO2: c.ECO2, TVOC: c.TVOC, ErrorID: c.ErrorID, ID: c.ID}
}

func (c *CCS811) ready() bool { return c.mode != 0 && !time.Now().Before(c.next) }

// Pin implements Pinned: nINT, low while there is a result that was not read, if that is on.
func (c *CCS811) Pin() bool { return c.mode&0x08 == 0 || !c.ready() }

// Leave implements Leaver.
func (c *CCS811) Leave(r *rand.Rand) {
	for _, b := range [][]byte{{0xf4}, {0x01, byte(r.IntN(5)) << 4}, {0x05, byte(r.Uint32()), 0, byte(r.Uint32()), 0}} {
		if r.IntN(3) != 0 {
			_ = c.Write(b)
		}
	}
}

// Write implements Chip.
func (c *CCS811) Write(b []byte) error {
	c.reg = b[0]
	switch {
	case c.reg == 0x05 && len(b) == 5:
		c.env = [4]byte(b[1:])
	case c.reg == 0xf4 && len(b) == 1:
		c.running = true
	case c.reg == 0x01 && len(b) == 2 && c.running:
		c.mode = b[1]
		c.next = time.Now().Add(time.Second)
	}
	return nil
}

// Read implements Chip.
func (c *CCS811) Read(b []byte) error {
	status := byte(0x10)
	if c.running {
		status |= 0x80
	}
	if c.ErrorID != 0 {
		status |= 1
	}
	ready := c.ready()
	var out []byte
	switch c.reg {
	case 0x00:
		out = []byte{status}
	case 0x01:
		out = []byte{c.mode}
	case 0x20:
		out = []byte{c.ID}
	case 0x02:
		if ready {
			status |= 8
			c.next = time.Now().Add(time.Second)
		}
		eco2 := c.ECO2
		if c.env != [4]byte{} && c.env != [4]byte{0x64, 0x00, 0x64, 0x00} { // not 50 % and 25 °C
			eco2 += 50
		}
		out = []byte{byte(eco2 >> 8), byte(eco2), byte(c.TVOC >> 8), byte(c.TVOC), status, c.ErrorID, 0, 0}
	}
	copy(b, out)
	return nil
}
