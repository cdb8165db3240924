package i2ctest

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
	c := &Streaming{Data: data, period: s.period, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.OnPowerOn = func() { c.next = time.Time{} }
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
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

// NewSCD4x simulates SCD40 and SCD41: periodic measurement every five seconds.
func NewSCD4x(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x21b1, stop: 0x3f86, ready: 0xe4b8, read: 0xec05, serial: 0x3682,
		period: 5 * time.Second, readyWord: 0x8006, others: []uint16{0x2427, 0x2416}}, data)
}

// NewSCD30 simulates the SCD30 with an interval of two seconds.
func NewSCD30(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0010, stop: 0x0104, ready: 0x0202, read: 0x0300,
		period: 2 * time.Second, readyWord: 1, others: []uint16{0x4600, 0x5102, 0x5306}}, data)
}

// NewSPS30 simulates the SPS30, new values every second.
func NewSPS30(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0010, stop: 0x0104, ready: 0x0202, read: 0x0300, period: time.Second, readyWord: 1}, data)
}

// NewSEN5x simulates the SEN5x, new values every second.
func NewSEN5x(data ...uint16) *Streaming {
	return newStreaming(streams{start: 0x0021, stop: 0x0104, ready: 0x0202, read: 0x03c4, period: time.Second, readyWord: 1}, data)
}
