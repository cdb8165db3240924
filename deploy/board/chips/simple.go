package chips

import (
	"math"
	"time"
)

// ADS1115 simulates the 16-bit ADC: config register, OS bit, PGA, data rate; SBAS444,
// section 8.6.
type ADS1115 struct {
	regs16
	Volts  [4]float64 // input voltages
	config uint16
	conv   int16
	done   time.Time
	lo, hi uint16
}

// NewADS1115 returns a chip after power-on.
func NewADS1115() *ADS1115 {
	a := &ADS1115{config: 0x8583, lo: 0x8000, hi: 0x7fff}
	a.onRead = func(r byte) uint16 {
		switch r & 3 {
		case 0:
			if a.config&0x0100 == 0 { // continuous
				a.sample()
			}
			return uint16(a.conv)
		case 1:
			c := a.config &^ 0x8000
			if !time.Now().Before(a.done) {
				c |= 0x8000
			}
			return c
		case 2:
			return a.lo
		}
		return a.hi
	}
	a.onWrite = func(r byte, v uint16) {
		switch r & 3 {
		case 1:
			a.config = v
			if v&0x8000 != 0 || v&0x0100 == 0 {
				rate := []int{8, 16, 32, 64, 128, 250, 475, 860}[v>>5&7]
				a.done = time.Now().Add(time.Second / time.Duration(rate))
				a.sample()
			}
		case 2:
			a.lo = v
		case 3:
			a.hi = v
		}
	}
	return a
}

func (a *ADS1115) sample() {
	fs := []float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256}[a.config>>9&7]
	v := a.Volts
	in := []float64{v[0] - v[1], v[0] - v[3], v[1] - v[3], v[2] - v[3], v[0], v[1], v[2], v[3]}[a.config>>12&7]
	x := math.Round(in / fs * 32768)
	a.conv = int16(math.Max(-32768, math.Min(32767, x)))
}

// SHT3x simulates SHT30/31/35: 16-bit commands, CRC-8, NAK while it measures; Sensirion
// SHT3x-DIS datasheet, section 4.
type SHT3x struct {
	Celsius, Humidity float64
	cmd               uint16
	ready             time.Time
	out               []byte
	status            uint16
	limit             map[byte]uint16
}

func (c *SHT3x) Write(b []byte) error {
	if len(b) < 2 {
		return nil
	}
	c.cmd = uint16(b[0])<<8 | uint16(b[1])
	c.out = nil
	var wait time.Duration
	switch c.cmd {
	case 0x2400, 0x2c06:
		wait = 15 * time.Millisecond
	case 0x240b, 0x2c0d:
		wait = 6 * time.Millisecond
	case 0x2416, 0x2c10:
		wait = 4 * time.Millisecond
	case 0x30a2: // soft reset
		c.status = 0x0010
		return nil
	case 0x3041: // clear status
		c.status = 0
		return nil
	case 0xf32d:
		c.out = word(nil, c.status)
		c.ready = time.Time{}
		return nil
	case 0x3780, 0x3682:
		c.out = word(word(nil, 0x1234), 0x5678)
		c.ready = time.Time{}
		return nil
	case 0xe000: // fetch data of a periodic mode: always has some here
	case 0xe11f, 0xe114, 0xe102, 0xe109: // alert limits
		c.out = word(nil, c.limit[b[1]])
		c.ready = time.Time{}
		return nil
	case 0x611d, 0x6116, 0x6100, 0x610b:
		if len(b) == 5 && CRC8(b[2:4]) == b[4] {
			if c.limit == nil {
				c.limit = map[byte]uint16{}
			}
			c.limit[map[byte]byte{0x1d: 0x1f, 0x16: 0x14, 0x00: 0x02, 0x0b: 0x09}[b[1]]] = uint16(b[2])<<8 | uint16(b[3])
		}
		return nil
	default: // periodic modes, break, heater
		if b[0]&0xf0 != 0x20 && b[0] != 0x30 {
			return ErrNAK
		}
		return nil
	}
	t := uint16(math.Round((c.Celsius + 45) / 175 * 65535))
	h := uint16(math.Round(c.Humidity / 100 * 65535))
	c.out = word(word(nil, t), h)
	c.ready = time.Now().Add(wait)
	return nil
}

func (c *SHT3x) Read(b []byte) error {
	if c.out == nil {
		return ErrNAK
	}
	if d := time.Until(c.ready); d > 0 {
		if c.cmd>>8 != 0x2c {
			return ErrNAK // still measuring
		}
		time.Sleep(d) // clock stretching
	}
	for i := range b {
		b[i] = 0xff
		if i < len(c.out) {
			b[i] = c.out[i]
		}
	}
	if c.cmd != 0xf32d {
		c.out = nil
	}
	return nil
}

func (c *SHT3x) Stop() {}

func word(b []byte, v uint16) []byte {
	w := []byte{byte(v >> 8), byte(v)}
	return append(b, w[0], w[1], CRC8(w))
}

// CRC8 is Sensirion's: polynomial 0x31, start 0xff.
func CRC8(b []byte) byte {
	c := byte(0xff)
	for _, x := range b {
		c ^= x
		for i := 0; i < 8; i++ {
			if c&0x80 != 0 {
				c = c<<1 ^ 0x31
			} else {
				c <<= 1
			}
		}
	}
	return c
}
