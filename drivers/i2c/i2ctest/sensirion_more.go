package i2ctest

import "time"

// NewSFA30 simulates the SFA30, which answers only while it measures.
func NewSFA30(hcho, rh, t uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{hcho, rh}, Commands: Commands{Size: 2, CRCStart: 0xff}}
	running := false
	c.OnPowerOn = func() { running = false }
	c.Left = [][]byte{words(0x0006), words(0x0104)}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch {
		case cmd == 0x0104:
			running = false
			return nil, 50 * time.Millisecond, true
		case cmd == 0x0006 && !running:
			running = true
			return nil, time.Millisecond, true
		case cmd == 0x0327 && running:
			return []uint16{c.Raw[0], c.Raw[1], t}, 2 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}

// NewSDP3x simulates SDP31, SDP32 and SDP8xx, which as a flow of mass show another number
// than as a difference of pressure.
func NewSDP3x(difference, t, scale uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{difference, t}, Commands: Commands{Size: 2, CRCStart: 0xff}}
	running := false
	c.OnPowerOn = func() { running = false }
	c.Left = [][]byte{words(0x3615), words(0x3603), words(0x3ff9)}
	c.Do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch {
		case cmd == 0x3ff9 && running:
			running = false
			return nil, 500 * time.Microsecond, true
		case running:
			return nil, 0, false
		case cmd == 0x3615, cmd == 0x3603:
			running = true
			return nil, 0, true
		case cmd == 0x362f:
			return []uint16{c.Raw[0], c.Raw[1], scale}, 45 * time.Millisecond, true
		case cmd == 0x3624:
			return []uint16{c.Raw[0] / 2, c.Raw[1], scale}, 45 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}
