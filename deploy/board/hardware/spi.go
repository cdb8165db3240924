package hardware

import "sensorgate/deploy/board/chips"

// Lines of the SPI bus that the guest's kernel makes of lines of the GPIO chip (its driver
// is spi-gpio; deploy/board/kernel/spi-board.patch). They follow the sixteen of the tests.
const (
	spiClock = 16 + iota
	spiOut   // MOSI
	spiIn    // MISO
	spiSelect
)

var spiLines = []string{"SPI_SCK", "SPI_MOSI", "SPI_MISO", "SPI_CS0", "SPI_CS1", "SPI_CS2"}

// spiBus is what the host does with what the guest clocks out.
type spiBus struct {
	bus      *chips.Bus // whose lock guards the chips' quantities
	selects  []chips.SPIChip
	selected chips.SPIChip
	clock    bool
	mosi     int
}

// set is called for every output of the guest. It returns whether the line is one of the
// bus, and the level of MISO from now on.
func (s *spiBus) set(line int, high bool) (ours bool, miso int) {
	switch {
	case s == nil || line < spiClock:
		return false, 0
	case line == spiOut:
		s.mosi = number(high)
	case line == spiClock:
		rose := high && !s.clock
		s.clock = high
		if rose && s.selected != nil {
			s.bus.With(func() { s.selected.In(s.mosi) })
			return true, -1 // the line changes when the clock falls
		}
	case line >= spiSelect && line < spiSelect+len(s.selects):
		switch c := s.selects[line-spiSelect]; {
		case !high:
			s.selected = c
			s.bus.With(c.Select)
		case s.selected == c:
			s.selected = nil
		}
	}
	if s.selected == nil {
		return true, 1 // a resistor pulls it up
	}
	s.bus.With(func() { miso = s.selected.Out() })
	return true, miso
}
