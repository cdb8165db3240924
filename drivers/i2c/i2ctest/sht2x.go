package i2ctest

import "time"

// NewHTU21 simulates HTU21D, Si7021 and SHT21: one quantity per command.
func NewHTU21(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1}}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch cmd {
		case 0xf3:
			return c.Raw[:1], 66 * time.Millisecond, true
		case 0xf5:
			return c.Raw[1:], 22 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}
