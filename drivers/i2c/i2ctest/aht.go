package i2ctest

import (
	"math/rand/v2"
	"time"
)

// AHT simulates AHT10 and AHT20. AHT20 data sheet section 5.
type AHT struct {
	Conversion
	Data [5]byte // humidity and temperature, 20 bits each
	CRC  bool    // the AHT20 sends one
	Init byte    // the command that loads the calibration

	status byte
	regs   [5]byte
}

// NewAHT makes a chip that measures data.
func NewAHT(initialize byte, crc bool, data [5]byte) *AHT {
	c := &AHT{Init: initialize, CRC: crc, Data: data}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *AHT) PowerOn() {
	c.Abort()
	c.status, c.regs = 0x10, [5]byte{}
}

// Leave implements Leaver: calibrated or not, and perhaps at work.
func (c *AHT) Leave(r *rand.Rand) {
	for _, b := range [][]byte{{c.Init, 0x08, 0x00}, {0xac, 0x33, 0x00}} {
		if r.IntN(2) == 0 {
			_ = c.Write(b)
		}
	}
}

// Write implements Chip.
func (c *AHT) Write(b []byte) error {
	switch {
	case len(b) == 3 && b[0] == c.Init && b[1] == 0x08:
		c.status |= 0x08
	case len(b) == 3 && b[0] == 0xac && b[1] == 0x33:
		c.Start(75 * time.Millisecond)
	case len(b) == 1 && b[0] == 0x71:
	default:
		return ErrNAK
	}
	return nil
}

// Read implements Chip.
func (c *AHT) Read(b []byte) error {
	if c.Finish() {
		c.regs = c.Data
	}
	out := append([]byte{c.status}, c.regs[:]...)
	if c.Running() {
		out[0] |= 0x80
	}
	if c.CRC {
		out = append(out, CRC8(0xff, out...))
	}
	for i := range b {
		b[i] = 0xff
	}
	copy(b, out)
	return nil
}
