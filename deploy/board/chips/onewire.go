package chips

import "math"

// DS2482 simulates the I2C to 1-Wire bridge DS2482-100 with DS18B20 sensors on
// its wire. Linux's ds2482 driver turns it into a w1 bus master, so that the
// sensors show up under /sys/bus/w1/devices as on a Raspberry Pi's w1-gpio.
type DS2482 struct {
	Sensors []*DS18B20
	ptr     byte
	status  byte
	data    byte
	config  byte
}

// DS18B20 is a 1-Wire thermometer.
type DS18B20 struct {
	ROM     [8]byte // family 0x28, 6 bytes serial number, CRC
	Celsius float64
	Gone    bool // pulled off the wire
	scratch [9]byte
	on      bool   // takes part since the last reset
	cmd     []byte // bytes since the reset
	bit     int    // position in a byte being written or in the output
	acc     byte
	out     []byte
	search  int // ROM bit in a search, -1: none
	step    int
}

// NewDS18B20 returns a sensor after power-on.
func NewDS18B20(serial uint64, celsius float64) *DS18B20 {
	s := &DS18B20{Celsius: celsius}
	s.ROM[0] = 0x28
	for i := 0; i < 6; i++ {
		s.ROM[1+i] = byte(serial >> (8 * i))
	}
	s.ROM[7] = crc1w(s.ROM[:7])
	s.scratch = [9]byte{0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10} // 85 °C: the power-on value
	s.scratch[8] = crc1w(s.scratch[:8])
	return s
}

func crc1w(b []byte) (c byte) {
	for _, x := range b {
		for i := 0; i < 8; i++ {
			if (c^x)&1 != 0 {
				c = c>>1 ^ 0x8c
			} else {
				c >>= 1
			}
			x >>= 1
		}
	}
	return c
}

func (s *DS18B20) reset() {
	s.on, s.cmd, s.bit, s.acc, s.out, s.search, s.step = !s.Gone, nil, 0, 0, nil, -1, 0
}

// slot is one time slot: w is what the master writes (true also for a read
// slot); the answer is what the sensor lets the wire be.
func (s *DS18B20) slot(w bool) bool {
	if !s.on {
		return true
	}
	if s.search >= 0 {
		b := s.ROM[s.search/8]>>(s.search%8)&1 != 0
		switch s.step {
		case 0:
			s.step = 1
			return b
		case 1:
			s.step = 2
			return !b
		}
		s.step = 0
		if w != b {
			s.on = false // the search goes another way
			return true
		}
		if s.search++; s.search == 64 {
			s.search = -1
			s.cmd = append(s.cmd, s.ROM[:]...)
		}
		return true
	}
	if s.out != nil {
		if s.bit/8 >= len(s.out) {
			return true
		}
		v := s.out[s.bit/8]>>(s.bit%8)&1 != 0
		s.bit++
		return v
	}
	if w {
		s.acc |= 1 << s.bit
	}
	if s.bit++; s.bit == 8 {
		s.cmd = append(s.cmd, s.acc)
		s.bit, s.acc = 0, 0
		s.byteIn()
	}
	return w
}

func (s *DS18B20) byteIn() {
	c := s.cmd
	n := 1 // length of the ROM command
	switch c[0] {
	case 0xf0:
		s.search = 0
		return
	case 0x33:
		s.out = s.ROM[:]
		return
	case 0x55:
		if n = 9; len(c) == 9 && [8]byte(c[1:9]) != s.ROM {
			s.on = false
		}
	case 0xcc:
	default:
		s.on = false
		return
	}
	if len(c) <= n {
		return
	}
	switch c[n] {
	case 0x44:
		bits := int(s.scratch[4]>>5&3) + 9
		v := int16(math.Round(s.Celsius*16)) &^ (1<<(12-bits) - 1)
		s.scratch[0], s.scratch[1] = byte(v), byte(v>>8)
		s.scratch[8] = crc1w(s.scratch[:8])
		s.out = []byte{0xff} // done at once; a real one needs up to 750 ms
	case 0xbe:
		s.out = append([]byte(nil), s.scratch[:]...)
	case 0xb4:
		s.out = []byte{0xff} // not parasite powered
	case 0x4e:
		if len(c) == n+4 {
			copy(s.scratch[2:5], c[n+1:])
			s.scratch[4] |= 0x1f
			s.scratch[8] = crc1w(s.scratch[:8])
		}
	}
}

// wire is one time slot on the 1-Wire side: open drain, so one low is low.
func (d *DS2482) wire(w bool) bool {
	v := true
	for _, s := range d.Sensors {
		v = s.slot(w) && v
	}
	return v && w
}

func (d *DS2482) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	arg := byte(0)
	if len(b) > 1 {
		arg = b[1]
	}
	d.ptr = 0xf0
	switch b[0] {
	case 0xf0: // device reset
		d.status, d.config = 0x18, 0
	case 0xe1: // set read pointer
		d.ptr = arg
	case 0xd2: // write configuration: upper nibble is the complement
		d.config = arg & 15
		d.ptr = 0xc3
	case 0xb4: // 1-Wire reset: presence?
		d.status &^= 2
		for _, s := range d.Sensors {
			s.reset()
			if !s.Gone {
				d.status |= 2
			}
		}
	case 0x87: // single bit
		d.status &^= 0x20
		if d.wire(arg&0x80 != 0) {
			d.status |= 0x20
		}
	case 0xa5: // write byte
		for i := 0; i < 8; i++ {
			d.wire(arg>>i&1 != 0)
		}
	case 0x96: // read byte
		d.data = 0
		for i := 0; i < 8; i++ {
			if d.wire(true) {
				d.data |= 1 << i
			}
		}
	case 0x78: // triplet: two read slots and a write slot of a search
		a, c := d.wire(true), d.wire(true)
		dir := arg&0x80 != 0
		if a != c {
			dir = a
		} else if a { // nobody there
			dir = true
		}
		d.wire(dir)
		d.status &^= 0xe0
		for i, v := range []bool{a, c, dir} {
			if v {
				d.status |= 0x20 << i
			}
		}
	}
	return nil
}

func (d *DS2482) Read(b []byte) error {
	v := d.status
	switch d.ptr {
	case 0xe1:
		v = d.data
	case 0xc3:
		v = d.config
	}
	for i := range b {
		b[i] = v
	}
	return nil
}

func (d *DS2482) Stop() {}
