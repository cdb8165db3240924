package i2ctest

import "time"

// Streaming is a chip of the Commands kind that, once started, has something new at
// intervals of its own: SCD30, SCD4x, SPS30, SEN5x.
type Streaming struct {
	Commands
	Data []uint16

	period time.Duration
	next   time.Time // zero: not started
	asleep bool
	mode   uint16 // the command it was started with, and its argument
	offset uint16 // what another program takes off the temperature
	shift  uint16 // what another program's pressure or humidity does to the gas
	woken  time.Time

	Calibrated uint16 // the reference of the last forced calibration, in ppm
	Answer     uint16 // to it: 0xffff is that it failed
	Cleaned    int    // how often the fan was cleaned
}

// clean runs the fan, without new values meanwhile.
func (c *Streaming) clean() {
	c.Cleaned++
	c.next = time.Now().Add(10 * time.Second)
}

// streams are the commands of such a chip.
type streams struct {
	stop, ready, read, serial uint16
	readyWord                 uint16
	// own executes the rest.
	own func(c *Streaming, cmd uint16, args []uint16) (takes time.Duration, known bool)
	// shown is what is read, in the mode that it was started in.
	shown func(c *Streaming) []uint16
}

func newStreaming(s streams, data []uint16) *Streaming {
	c := &Streaming{Data: data, Commands: Commands{Size: 2, CRCStart: 0xff}}
	c.OnPowerOn = func() {
		*c = Streaming{Data: c.Data, Commands: c.Commands}
	}
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		fresh := c.measuring() && !time.Now().Before(c.next)
		switch {
		case c.asleep: // what wakes it is own's
		case cmd == s.stop:
			c.next = time.Time{}
			return nil, 400 * time.Millisecond, true
		case cmd == s.serial && s.serial != 0:
			return []uint16{1, 2, 3}, 900 * time.Microsecond, !c.measuring()
		case cmd == s.ready && fresh:
			return []uint16{s.readyWord}, 900 * time.Microsecond, true
		case cmd == s.ready:
			return []uint16{s.readyWord & 0x8000}, 900 * time.Microsecond, true
		case cmd == s.read && fresh:
			c.next = time.Now().Add(c.period)
			return s.shown(c), 900 * time.Microsecond, true
		}
		takes, known := s.own(c, cmd, args)
		if cmd == 0x362f && known { // the only one of own's that answers
			return []uint16{c.Answer}, takes, true
		}
		return nil, takes, known
	}
	return c
}

func (c *Streaming) measuring() bool { return !c.next.IsZero() }

// Pin implements Pinned: the SCD30's RDY.
func (c *Streaming) Pin() bool { return c.measuring() && !time.Now().Before(c.next) }

func (c *Streaming) begin(mode uint16, period time.Duration) {
	c.mode, c.period, c.next = mode, period, time.Now().Add(period)
}

// NewSCD4x simulates SCD40 and SCD41: periodic measurement every five seconds, or thirty,
// sleep, and settings that are lost with the power. Data sheet section 3.5 and on.
func NewSCD4x(data ...uint16) *Streaming {
	c := newStreaming(streams{stop: 0x3f86, ready: 0xe4b8, read: 0xec05, serial: 0x3682, readyWord: 0x8006,
		shown: func(c *Streaming) []uint16 { return []uint16{c.Data[0] + c.shift, c.Data[1] - c.offset, c.Data[2]} },
		own: func(c *Streaming, cmd uint16, args []uint16) (time.Duration, bool) {
			switch {
			case cmd == 0x36f6 && c.asleep: // wake_up, which it does not acknowledge
				c.asleep, c.woken = false, time.Now().Add(20*time.Millisecond)
				return 0, false
			case c.asleep, time.Now().Before(c.woken):
				return 0, false
			case cmd == 0xe000 && len(args) == 1: // ambient pressure
				c.shift = args[0] % 100
				return time.Millisecond, true
			case c.measuring():
				return 0, false
			case cmd == 0x362f && len(args) == 1: // forced recalibration
				c.Calibrated = args[0]
				return 400 * time.Millisecond, true
			case cmd == 0x21b1:
				c.begin(cmd, 5*time.Second)
			case cmd == 0x21ac:
				c.begin(cmd, 30*time.Second)
			case cmd == 0x36e0:
				c.asleep = true
			case cmd == 0x241d && len(args) == 1: // temperature offset
				c.offset = args[0]
			case cmd == 0x3646: // reinit
				c.offset, c.shift = 0, 0
				return 20 * time.Millisecond, true
			default:
				return 0, cmd == 0x2427 || cmd == 0x2416
			}
			return time.Millisecond, true
		}}, data)
	c.Left = [][]byte{words(0x21b1), words(0x21ac), words(0x36e0), words(0x3f86), words(0x241d, 900), words(0xe000, 850)}
	return c
}

// NewSCD30 simulates the SCD30. Interface description section 1.4.
func NewSCD30(data ...uint16) *Streaming {
	every := 2 * time.Second
	c := newStreaming(streams{stop: 0x0104, ready: 0x0202, read: 0x0300, readyWord: 1,
		shown: func(c *Streaming) []uint16 { return c.Data },
		own: func(c *Streaming, cmd uint16, args []uint16) (time.Duration, bool) {
			switch {
			case len(args) != 1:
				return 0, false
			case cmd == 0x0010:
				c.begin(cmd, every)
			case cmd == 0x5204:
				c.Calibrated = args[0]
			case cmd == 0x4600:
				every = time.Duration(args[0]) * time.Second
			default:
				return 0, cmd == 0x5102 || cmd == 0x5306
			}
			return time.Millisecond, true
		}}, data)
	c.Left = [][]byte{words(0x0010, 0), words(0x0104), words(0x4600, 1800), words(0x4600, 60)}
	return c
}

// NewSPS30 simulates the SPS30, new values every second, as floating-point numbers or as
// whole ones, and its sleep. Data sheet section 6.3.
func NewSPS30(data ...uint16) *Streaming {
	const floats, whole = 0x0300, 0x0500
	c := newStreaming(streams{stop: 0x0104, ready: 0x0202, read: 0x0300, readyWord: 1,
		shown: func(c *Streaming) []uint16 {
			if c.mode == whole {
				return c.Data[:len(c.Data)/2]
			}
			return c.Data
		},
		own: func(c *Streaming, cmd uint16, args []uint16) (time.Duration, bool) {
			switch {
			case cmd == 0x1103 && c.asleep && time.Now().Before(c.woken): // the second
				c.asleep = false
				return 5 * time.Millisecond, true
			case cmd == 0x1103 && c.asleep: // the first only wakes its bus, section 6.3.6
				c.woken = time.Now().Add(100 * time.Millisecond)
				return 0, false
			case c.asleep:
				return 0, false
			case cmd == 0x5607 && c.measuring():
				c.clean()
			case c.measuring(): // not while it measures, and it does not complain
				return 0, true
			case cmd == 0x0010 && len(args) == 1 && (args[0] == floats || args[0] == whole):
				c.begin(args[0], time.Second)
			case cmd == 0x1001:
				c.asleep = true
			default:
				return 0, cmd == 0x1103
			}
			return time.Millisecond, true
		}}, data)
	c.Left = [][]byte{words(0x0010, floats), words(0x0010, whole), words(0x0104), words(0x1001)}
	return c
}

// NewSEN5x simulates the SEN5x, new values every second, with or without dust, and a
// compensation of its temperature. Data sheet section 6.1.
func NewSEN5x(data ...uint16) *Streaming {
	c := newStreaming(streams{stop: 0x0104, ready: 0x0202, read: 0x03c4, readyWord: 1,
		shown: func(c *Streaming) []uint16 {
			shown := append([]uint16(nil), c.Data...)
			if c.mode == 0x0037 {
				copy(shown, []uint16{0xffff, 0xffff, 0xffff, 0xffff})
			}
			shown[5] += c.offset
			return shown
		},
		own: func(c *Streaming, cmd uint16, args []uint16) (time.Duration, bool) {
			switch {
			case cmd == 0x60b2 && len(args) == 3:
				c.offset = args[0]
			case cmd == 0x5607 && c.measuring():
				c.clean()
			case c.measuring():
				return 0, cmd == 0x0021 || cmd == 0x0037
			case cmd == 0x0021, cmd == 0x0037:
				c.begin(cmd, time.Second)
			default:
				return 0, false
			}
			return time.Millisecond, true
		}}, data)
	c.Left = [][]byte{words(0x0021), words(0x0037), words(0x0104), words(0x60b2, 400, 0, 0)}
	return c
}
