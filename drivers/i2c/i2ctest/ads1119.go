package i2ctest

import (
	"math/rand/v2"
	"time"
)

// ADS1119 simulates the ADS1119, which takes commands. The kernel's ti-ads1119.c has them.
type ADS1119 struct {
	Conversion
	Code map[byte]int16 // by the bits of the input and the gain

	config, cmd byte
	data        int16
	ready       bool
}

// NewADS1119 makes one that converts these codes.
func NewADS1119(code map[byte]int16) *ADS1119 {
	c := &ADS1119{Code: code}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *ADS1119) PowerOn() {
	c.Abort()
	c.config, c.data, c.ready = 0, 0, false
}

// Leave implements Leaver.
func (c *ADS1119) Leave(r *rand.Rand) {
	for _, w := range [][]byte{{0x40, byte(r.Uint32())}, {0x08}, {0x02}, {0x08}} {
		if r.IntN(2) == 0 {
			_ = c.Write(w)
		}
	}
}

// Write implements Chip.
func (c *ADS1119) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	switch c.cmd = b[0]; {
	case c.cmd == 0x06:
		c.PowerOn()
	case c.cmd == 0x02:
		c.Abort()
	case c.cmd&0xfe == 0x08:
		c.begin()
	case c.cmd == 0x40 && len(b) == 2:
		if c.config = b[1]; c.Running() {
			c.begin()
		}
	}
	return nil
}

func (c *ADS1119) begin() {
	c.Start([]time.Duration{50, 11, 3, 1}[c.config>>2&3] * time.Millisecond)
}

// Read implements Chip.
func (c *ADS1119) Read(b []byte) error {
	if c.Finish() {
		c.data, c.ready = c.Code[c.config&0xf0], true
		if c.config&1 != 0 { // against another reference
			c.data /= 2
		}
		if c.config&2 != 0 {
			c.begin()
		}
	}
	out := []byte{0xff, 0xff}
	switch c.cmd & 0xfc {
	case 0x10:
		out = []byte{byte(uint16(c.data) >> 8), byte(c.data)}
		c.ready = false
	case 0x20:
		out[0] = c.config
	case 0x24:
		out[0] = 0
		if c.ready {
			out[0] = 0x80
		}
	}
	for i := range b {
		b[i] = out[i%2]
	}
	return nil
}
