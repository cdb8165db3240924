package i2cmodel

import "time"

// Streaming is a chip of the Commands kind that, once started, has something new at
// intervals of its own: SCD30, SCD4x, SPS30, SEN5x.
type Streaming struct {
	Commands
	Data []uint16

	period time.Duration
	next   time.Time // zero: not started
}

// streams are the commands of such a chip.
type streams struct {
	start, stop, ready, read, serial uint16
	period                           time.Duration
	readyWord                        uint16
	others                           []uint16 // settings, which are taken and forgotten
}

func newStreaming(s streams, data []uint16) *Streaming {
	c := &Streaming{Data: data, period: s.period, Commands: Commands{Size: 2, Start: 0xff}}
	c.reset = func() { c.next = time.Time{} }
	c.do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		fresh := !c.next.IsZero() && !time.Now().Before(c.next)
		switch cmd {
		case s.start:
			if c.next.IsZero() {
				c.next = time.Now().Add(s.period)
			}
			return nil, time.Millisecond, true
		case s.stop:
			c.next = time.Time{}
			return nil, 400 * time.Millisecond, true
		case s.serial:
			return []uint16{1, 2, 3}, 900 * time.Microsecond, c.next.IsZero()
		case s.ready:
			if fresh {
				return []uint16{s.readyWord}, 900 * time.Microsecond, true
			}
			return []uint16{s.readyWord & 0x8000}, 900 * time.Microsecond, true
		case s.read:
			if !fresh {
				return nil, 0, false
			}
			c.next = time.Now().Add(s.period)
			return c.Data, 900 * time.Microsecond, true
		}
		for _, o := range s.others {
			if cmd == o {
				return nil, 0, true
			}
		}
		return nil, 0, false
	}
	return c
}

// NewSCD4x models SCD40 and SCD41: periodic measurement every five seconds.
func NewSCD4x(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x21b1, stop: 0x3f86, ready: 0xe4b8, read: 0xec05, serial: 0x3682,
		period: 5 * time.Second, readyWord: 0x8006, others: []uint16{0x2427, 0x2416}}, data)
}

// NewSCD30 models the SCD30 with an interval of two seconds.
func NewSCD30(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0010, stop: 0x0104, ready: 0x0202, read: 0x0300,
		period: 2 * time.Second, readyWord: 1, others: []uint16{0x4600, 0x5102, 0x5306}}, data)
}

// NewSPS30 models the SPS30, new values every second.
func NewSPS30(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0010, stop: 0x0104, ready: 0x0202, read: 0x0300, period: time.Second, readyWord: 1}, data)
}

// NewSEN5x models the SEN5x, new values every second.
func NewSEN5x(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0021, stop: 0x0104, ready: 0x0202, read: 0x03c4, period: time.Second, readyWord: 1}, data)
}

// SGP30 models the SGP30: 400 ppm and 0 ppb for 15 s after init, a baseline after that.
type SGP30 struct {
	Commands
	ECO2, TVOC uint16
	Baseline   [2]uint16 // CO2, TVOC
	Feature    uint16
	inited     time.Time
}

// NewSGP30 makes one in this air.
func NewSGP30(eco2, tvoc uint16) *SGP30 {
	c := &SGP30{ECO2: eco2, TVOC: tvoc, Baseline: [2]uint16{0x8a12, 0x8b34}, Feature: 0x0022, Commands: Commands{Size: 2, Start: 0xff}}
	c.reset = func() { c.inited = time.Time{} }
	c.do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
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
		case 0x2015:
			if !warm {
				return []uint16{0, 0}, 8 * time.Millisecond, true
			}
			return c.Baseline[:], 8 * time.Millisecond, true
		case 0x2008:
			if !warm {
				return []uint16{400, 0}, 10 * time.Millisecond, true
			}
			return []uint16{c.ECO2, c.TVOC}, 10 * time.Millisecond, true
		}
		return nil, 0, false
	}
	return c
}

// SGP4x models SGP40 and SGP41.
type SGP4x struct {
	Commands
	Raw     [2]uint16 // VOC, NOx
	Written []uint16  // the arguments of the last measurement
}

// NewSGP4x makes one that measures voc and, as an SGP41, nox.
func NewSGP4x(voc, nox uint16) *SGP4x {
	c := &SGP4x{Raw: [2]uint16{voc, nox}, Commands: Commands{Size: 2, Start: 0xff}}
	c.do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
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
