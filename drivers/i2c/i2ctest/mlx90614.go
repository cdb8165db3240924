package i2ctest

import "math/rand/v2"

// MLX90614 simulates RAM and packet error code of the MLX90614.
type MLX90614 struct {
	Addr byte
	RAM  map[byte]uint16
	cmd  byte
	Flip byte // into the packet error code
}

// PowerOn implements Chip. It measures again at once, as far as we care.
func (c *MLX90614) PowerOn() {}

// Leave implements Leaver: what can be written is in its EEPROM, and is the user's.
func (c *MLX90614) Leave(*rand.Rand) {}

// Write implements Chip.
func (c *MLX90614) Write(b []byte) error {
	if len(b) > 0 {
		c.cmd = b[0]
	}
	return nil
}

// Read implements Chip.
func (c *MLX90614) Read(b []byte) error {
	v := c.RAM[c.cmd]
	frame := []byte{c.Addr << 1, c.cmd, c.Addr<<1 | 1, byte(v), byte(v >> 8)}
	var pec byte
	for _, x := range frame { // polynomial 0x07
		for bit := 7; bit >= 0; bit-- {
			top := pec>>7 ^ x>>bit&1
			pec <<= 1
			if top != 0 {
				pec ^= 0x07
			}
		}
	}
	copy(b, append(frame[3:], pec^c.Flip))
	return nil
}
