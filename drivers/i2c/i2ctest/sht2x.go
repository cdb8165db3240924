package i2ctest

import "time"

// NewHTU21 simulates HTU21D, Si7021 and SHT21: one quantity per command, and a user
// register with resolution and heater. SHT21 data sheet section 5.6.
func NewHTU21(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1}}
	user := byte(0x02)
	c.OnPowerOn = func() { user, c.Hot = 0x02, false }
	c.Left = [][]byte{{0xe6, 0x03}, {0xe6, 0x82}, {0xe6, 0x83}, {0xe6, 0x06}, {0xe6, 0x07}, {0xe6, 0x87}}
	c.Plain = func(b []byte) ([]byte, bool) {
		switch {
		case len(b) == 1 && b[0] == 0xe7:
			return []byte{user}, true
		case len(b) == 2 && b[0] == 0xe6:
			if user, c.Hot = b[1], b[1]&0x04 != 0; c.Hot {
				c.Heats++
			}
			return nil, true
		}
		return nil, false
	}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		// Bits of RH and T by resolution (bits 7 and 0): table 8.
		bits := map[byte][2]int{0x00: {12, 14}, 0x01: {8, 12}, 0x80: {10, 13}, 0x81: {11, 11}}[user&0x81]
		switch cmd {
		case 0xf3:
			t := c.Raw[0]
			if user&0x04 != 0 { // the heater
				t += 1100
			}
			if user&0x81 != 0 {
				t &^= 1<<(16-bits[1]) - 1
			}
			return []uint16{t}, 66 * time.Millisecond, true
		case 0xf5:
			rh := c.Raw[1]
			if user&0x81 != 0 {
				rh &^= 1<<(16-bits[0]) - 1
			}
			return []uint16{rh}, 22 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}
