package i2ctest

import "time"

// SGP30 simulates the SGP30: 400 ppm and 0 ppb for 15 s after init, a baseline after that.
type SGP30 struct {
	Commands
	ECO2, TVOC uint16
	Baseline   [2]uint16 // CO2, TVOC
	Feature    uint16
	inited     time.Time
	damp       uint16 // the humidity that another program wrote
}

// NewSGP30 makes one in this air.
func NewSGP30(eco2, tvoc uint16) *SGP30 {
	c := &SGP30{ECO2: eco2, TVOC: tvoc, Baseline: [2]uint16{0x8a12, 0x8b34}, Feature: 0x0022, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.OnPowerOn = func() { c.inited, c.damp = time.Time{}, 0 }
	c.Left = [][]byte{words(0x2003), words(0x2061, 0x0f80), words(0x2008)}
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		warm := !c.inited.IsZero() && time.Since(c.inited) > 15*time.Second
		switch cmd {
		case 0x202f:
			return []uint16{c.Feature}, 8 * time.Millisecond, true
		case 0x2003:
			c.inited = time.Now()
			return nil, 8 * time.Millisecond, true
		case 0x201e:
			if len(args) != 2 {
				return nil, 0, false
			}
			c.Baseline = [2]uint16{args[1], args[0]}
			return nil, 8 * time.Millisecond, true
		case 0x2061:
			if len(args) != 1 {
				return nil, 0, false
			}
			c.damp = args[0]
			return nil, 8 * time.Millisecond, true
		case 0x2015:
			if !warm {
				return []uint16{0, 0}, 8 * time.Millisecond, true
			}
			return c.Baseline[:], 8 * time.Millisecond, true
		case 0x2008:
			if !warm {
				return []uint16{400, 0}, 10 * time.Millisecond, true
			}
			return []uint16{c.ECO2 + c.damp>>8, c.TVOC}, 10 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}

// SGP4x simulates SGP40 and SGP41.
type SGP4x struct {
	Commands
	Raw     [2]uint16 // VOC, NOx
	Written []uint16  // the arguments of the last measurement
}

// NewSGP4x makes one that measures voc and, as an SGP41, nox.
func NewSGP4x(voc, nox uint16) *SGP4x {
	c := &SGP4x{Raw: [2]uint16{voc, nox}, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		c.Written = args
		switch {
		case cmd == 0x3682:
			return []uint16{0, 0x1234, 0x5678}, 500 * time.Microsecond, true
		case cmd == 0x260f && len(args) == 2:
			return c.Raw[:1], 27 * time.Millisecond, true
		case cmd == 0x2612 && len(args) == 2:
			return c.Raw[:1], 45 * time.Millisecond, true
		case cmd == 0x2619 && len(args) == 2:
			return c.Raw[:], 45 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}
