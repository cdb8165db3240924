package i2ctest

import (
	"math/rand/v2"
	"time"
)

// AM2320 simulates Aosong's AM2320, product manual section 8.2.
type AM2320 struct {
	RH, T uint16 // tenths; T with its sign in bit 15

	awake time.Time // until then
	old   [2]uint16 // what was measured at the wake-up before
	ready time.Time // when the measurement of the last wake-up is over
	asked bool
}

// PowerOn implements Chip.
func (c *AM2320) PowerOn() { *c = AM2320{RH: c.RH, T: c.T} }

// Leave implements Leaver: it may be awake.
func (c *AM2320) Leave(r *rand.Rand) {
	if r.IntN(2) == 0 {
		_ = c.Write([]byte{0})
	}
}

// Write implements Chip.
func (c *AM2320) Write(b []byte) error {
	now := time.Now()
	if now.After(c.awake) {
		// Woken, but not acknowledged; it measures, which is for the next time.
		c.awake = now.Add(3 * time.Second)
		if c.ready.IsZero() {
			c.ready = now.Add(1500 * time.Millisecond)
		}
		return ErrNAK
	}
	c.asked = len(b) == 3 && b[0] == 3 && b[1] == 0 && b[2] == 4
	return nil
}

// Read implements Chip.
func (c *AM2320) Read(b []byte) error {
	if !c.asked {
		return ErrNAK
	}
	if !c.ready.IsZero() && time.Now().After(c.ready) {
		c.old, c.ready = [2]uint16{c.RH, c.T}, time.Time{}
	}
	frame := []byte{3, 4, byte(c.old[0] >> 8), byte(c.old[0]), byte(c.old[1] >> 8), byte(c.old[1])}
	crc := uint16(0xffff) // Modbus
	for _, x := range frame {
		crc ^= uint16(x)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	copy(b, append(frame, byte(crc), byte(crc>>8)))
	c.asked = false
	c.awake = time.Time{}
	return nil
}
