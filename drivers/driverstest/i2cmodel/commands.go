package i2cmodel

import "time"

// Commands is a chip that takes commands and answers, in words under a checksum, once it
// is done: Sensirion's way. While it works, and when nobody asked, it does not
// acknowledge a read.
type Commands struct {
	conversion
	Size  int  // bytes of a command
	Start byte // of the checksum, polynomial 0x31

	// do obeys a command; args are the words after it, whose checksums were right.
	do    func(cmd uint16, args []uint16) (reply []uint16, takes time.Duration, known bool)
	reset func()

	reply []byte
}

// PowerOn implements driverstest.I2CChip.
func (c *Commands) PowerOn() {
	c.abort()
	c.reply = nil
	if c.reset != nil {
		c.reset()
	}
}

// Write implements driverstest.I2CChip.
func (c *Commands) Write(b []byte) error {
	if len(b) < c.Size {
		return errNAK
	}
	cmd := uint16(b[0])
	if c.Size == 2 {
		cmd = cmd<<8 | uint16(b[1])
	}
	var args []uint16
	for rest := b[c.Size:]; len(rest) > 0; rest = rest[3:] {
		if len(rest) < 3 || CRC8(c.Start, rest[0], rest[1]) != rest[2] {
			return errNAK
		}
		args = append(args, uint16(rest[0])<<8|uint16(rest[1]))
	}
	reply, takes, known := c.do(cmd, args)
	if !known {
		return errNAK
	}
	c.reply = nil
	for _, w := range reply {
		hi, lo := byte(w>>8), byte(w)
		c.reply = append(c.reply, hi, lo, CRC8(c.Start, hi, lo))
	}
	c.start(takes)
	return nil
}

// Read implements driverstest.I2CChip.
func (c *Commands) Read(b []byte) error {
	c.finish()
	if c.running || c.reply == nil {
		return errNAK
	}
	for i := range b {
		b[i] = 0xff
	}
	copy(b, c.reply)
	c.reply = nil
	return nil
}

// CRC8 is the checksum with polynomial 0x31, high bit first, bit by bit as the data
// sheets describe it.
func CRC8(start byte, b ...byte) byte {
	crc := start
	for _, x := range b {
		for bit := 7; bit >= 0; bit-- {
			top := crc>>7 ^ x>>bit&1
			crc <<= 1
			if top != 0 {
				crc ^= 0x31
			}
		}
	}
	return crc
}

// Measuring is a chip of the Commands kind that measures two words.
type Measuring struct {
	Commands
	Raw [2]uint16
	ID  uint16
}

// NewSHT3x models SHT30, SHT31 and SHT35. Data sheet section 4.
func NewSHT3x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 2, Start: 0xff}}
	c.do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		return c.Raw[:], 12500 * time.Microsecond, cmd == 0x2400
	}
	return c
}

// NewSHT4x models SHT40, SHT41 and SHT45. Data sheet section 4.
func NewSHT4x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1, Start: 0xff}}
	c.do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		return c.Raw[:], 6900 * time.Microsecond, cmd == 0xfd
	}
	return c
}

// NewSHTC3 models the SHTC3 with its sleep. Data sheet section 5.
func NewSHTC3(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: 0x0887, Commands: Commands{Size: 2, Start: 0xff}}
	awake := true
	c.reset = func() { awake = true }
	c.do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
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

// NewHTU21 models HTU21D, Si7021 and SHT21: one quantity per command.
func NewHTU21(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, Commands: Commands{Size: 1}}
	c.do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
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

// NewHDC302x models the HDC3020. SNVSBY3 section 7.
func NewHDC302x(t, rh uint16) *Measuring {
	c := &Measuring{Raw: [2]uint16{t, rh}, ID: 0x3000, Commands: Commands{Size: 2, Start: 0xff}}
	c.do = func(cmd uint16, _ []uint16) ([]uint16, time.Duration, bool) {
		switch cmd {
		case 0x3781:
			return []uint16{c.ID}, 0, true
		case 0x2400:
			return c.Raw[:], 12500 * time.Microsecond, true
		}
		return nil, 0, false
	}
	return c
}
