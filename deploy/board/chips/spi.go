package chips

// SPIChip is a chip on a select, bit by bit, as some answer in the middle of a byte. It is
// talked to in mode 0: what Out returns is on the line before the clock rises, In is what
// the host had on its own line then.
type SPIChip interface {
	Select() // the select went low
	Out() int
	In(bit int)
}

// spiBits counts the bits of a transfer and keeps those that came.
type spiBits struct {
	n  int
	in []byte
}

func (s *spiBits) Select() { s.n, s.in = 0, nil }

func (s *spiBits) In(bit int) {
	if s.n%8 == 0 {
		s.in = append(s.in, 0)
	}
	s.in[s.n/8] |= byte(bit) << (7 - s.n%8)
	s.n++
}

// MCP3008 converts eight voltages with 10 bits. DS21295 section 5: a start bit, one that says
// single or pair, three of the input; then one clock to sample, a null bit, the code.
type MCP3008 struct {
	Volts     [8]float64
	Reference float64
	Gone      bool // the select has no chip: a resistor pulls the line up

	spiBits
	began int // the number of the start bit
}

// Select implements SPIChip.
func (c *MCP3008) Select() { c.began = -1; c.spiBits.Select() }

// In implements SPIChip.
func (c *MCP3008) In(bit int) {
	if c.began < 0 && bit == 1 {
		c.began = c.n
	}
	c.spiBits.In(bit)
}

func (c *MCP3008) bit(i int) int { return int(c.in[i/8]>>(7-i%8)) & 1 }

// Out implements SPIChip.
func (c *MCP3008) Out() int {
	at := c.n - c.began - 6 // of the null bit, behind the five and the clock to sample
	switch {
	case c.Gone, c.began < 0, at < 0:
		return 1
	case at == 0:
		return 0
	case at > 10:
		return 0
	}
	input := c.bit(c.began+2)<<2 | c.bit(c.began+3)<<1 | c.bit(c.began+4)
	v := c.Volts[input]
	if c.bit(c.began+1) == 0 {
		v -= c.Volts[input^1]
	}
	code := min(max(int(v*1024/c.Reference+1e-6), 0), 1023)
	return code >> (10 - at) & 1
}

// MAX31855 is a thermocouple converter that is only read. Data sheet 19-5793, table 2.
type MAX31855 struct {
	Shown, Junction float64 // °C as the chip says them
	Fault           float64 // 1 open, 2 at ground, 4 at the supply
	spiBits
}

// Out implements SPIChip.
func (c *MAX31855) Out() int {
	w := uint32(int32(c.Shown*4))<<18 | uint32(uint16(int16(c.Junction*16))<<4) | uint32(c.Fault)
	if c.Fault != 0 {
		w |= 1 << 16
	}
	if c.n > 31 {
		return 0
	}
	return int(w>>(31-c.n)) & 1
}

// SPIRegisters is one of Bosch's chips wired to SPI: bit 7 of the first byte reads, without
// it come pairs of register and value. BST-BME280-DS002 section 6.3.
type SPIRegisters struct {
	Chip interface {
		Write([]byte) error
		Read([]byte) error
	}
	spiBits
	now [1]byte
}

// In implements SPIChip.
func (c *SPIRegisters) In(bit int) {
	c.spiBits.In(bit)
	if c.n%8 != 0 {
		return
	}
	read := c.in[0]&0x80 != 0
	switch {
	case c.n == 8 && read:
		_ = c.Chip.Write(c.in[:1]) // all its registers have bit 7
		_ = c.Chip.Read(c.now[:])
	case read:
		_ = c.Chip.Read(c.now[:])
	case c.n%16 == 0:
		pair := c.in[len(c.in)-2:]
		_ = c.Chip.Write([]byte{pair[0] | 0x80, pair[1]})
	}
}

// Out implements SPIChip.
func (c *SPIRegisters) Out() int {
	if c.n < 8 || c.in[0]&0x80 == 0 {
		return 1
	}
	return int(c.now[0]>>(7-c.n%8)) & 1
}
