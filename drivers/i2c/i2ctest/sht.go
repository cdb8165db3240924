package i2ctest

import "time"

// Measuring is a chip of the Commands kind that measures two words.
type Measuring struct {
	Commands
	Raw [2]uint16
	ID  uint16

	Heated time.Duration // by pulses
	Hot    bool          // its heater is on
	Heats  int           // how often it was switched on
}

// NewSHT3x simulates SHT30, SHT31 and SHT35, with periodic mode and heater. Data sheet
// section 4.
func NewSHT3x(t, rh uint16) *Measuring { return newPeriodic(t, rh, 0) }

// newPeriodic simulates a chip that, while it measures on its own, refuses every command
// but the break, and whose heater warms what it measures. id answers command 0x3781, if
// the chip has that.
func newPeriodic(t, rh, id uint16) *Measuring {
	const warmer = 1100 // 3 °C
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: id, Commands: Commands{Size: 2, CRCStart: 0xff}}
	periodic, heater, power := false, uint16(0), uint16(0)
	c.OnPowerOn = func() { periodic, heater, power, c.Hot = false, 0, 0, false }
	c.Left = [][]byte{words(0x2130), words(0x2737), words(0x306d), words(0x306d)}
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		switch {
		case cmd == 0x3093: // break, section 4.8
			periodic = false
			return nil, time.Millisecond, true
		case periodic:
			return nil, 0, false
		case cmd == 0x2130, cmd == 0x2737:
			periodic = true
			return nil, 0, true
		case cmd == 0x306d, cmd == 0x3066: // section 4.10
			heater = 0
			if c.Hot = cmd == 0x306d; c.Hot {
				heater = 1
			}
			if c.Hot && (id == 0 || power != 0) {
				c.Heats++
			}
			return nil, 0, true
		case cmd == 0x306e && id != 0 && len(args) == 1: // of the HDC302x
			power = args[0]
			return nil, 0, true
		case cmd == 0xf32d: // section 4.11, table 18
			return []uint16{heater << 13}, 0, true
		case cmd == 0x3781 && id != 0:
			return []uint16{c.ID}, 0, true
		case cmd == 0x2400:
			return []uint16{c.Raw[0] + heater*warmer, c.Raw[1]}, 12500 * time.Microsecond, true
		}
		return nil, 0, false
	}
	return c
}

// NewSHT4x simulates SHT40, SHT41 and SHT45. Data sheet section 4.
func NewSHT4x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1, CRCStart: 0xff}}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		if pulse := map[uint16]time.Duration{0x39: time.Second, 0x32: 100 * time.Millisecond}[cmd]; pulse > 0 {
			c.Heated += pulse
			return []uint16{c.Raw[0] + 8000, c.Raw[1]}, pulse * 11 / 10, true
		}
		return c.Raw[:], 6900 * time.Microsecond, cmd == 0xfd
	}
	return c
}

// NewSHTC3 simulates the SHTC3 with its sleep. Data sheet section 5.
func NewSHTC3(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: 0x0887, Commands: Commands{Size: 2, CRCStart: 0xff}}
	awake := true
	c.Left = [][]byte{words(0xb098)}
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
