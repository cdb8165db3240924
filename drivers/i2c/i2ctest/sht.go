package i2ctest

import "time"

// Measuring is a chip of the Commands kind that measures two words.
type Measuring struct {
	Commands
	Raw [2]uint16
	ID  uint16
}

// NewSHT3x simulates SHT30, SHT31 and SHT35. Data sheet section 4.
func NewSHT3x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		return c.Raw[:], 12500 * time.Microsecond, cmd == 0x2400
	}
	return c
}

// NewSHT4x simulates SHT40, SHT41 and SHT45. Data sheet section 4.
func NewSHT4x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1, CRCStart: 0xff}}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		return c.Raw[:], 6900 * time.Microsecond, cmd == 0xfd
	}
	return c
}

// NewSHTC3 simulates the SHTC3 with its sleep. Data sheet section 5.
func NewSHTC3(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: 0x0887, Commands: Commands{Size: 2, CRCStart: 0xff}}
	awake := true
	c.OnPowerOn = func() { awake = true }
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch {
		case cmd == 0x3517:
			awake = true
			return nil, 200 * time.Microsecond, true
		case !awake:
			return nil, 0, false
		case cmd == 0xb098:
			awake = false
			return nil, 0, true
		case cmd == 0xefc8:
			return []uint16{c.ID}, 0, true
		case cmd == 0x7866:
			return c.Raw[:], 10800 * time.Microsecond, true
		}
		return nil, 0, false
	}
	return c
}
