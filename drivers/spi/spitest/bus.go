// Package spitest is what drivers of SPI chips are tested with, as package i2ctest is for
// I2C: selects in memory that fail in the ways real ones do, simulators at register level,
// and the conformance suite. What pins the numbers to the world are the reference numbers
// in the tests, which come from the makers and from NIST.
package spitest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers/spi/bus"
)

// Chip is a chip on a select. The bus calls one method at a time.
type Chip interface {
	// Transfer returns what the chip sends while it is sent w, as many bytes.
	Transfer(w []byte) []byte
	// PowerOn puts the chip into the state it has after its supply came back.
	PowerOn()
	// Leave puts it into a state that another program may have left behind.
	Leave(*rand.Rand)
}

// Select is one chip select in memory, with a chip and faults.
type Select struct {
	mu       sync.Mutex
	chip     Chip
	settings bus.Settings
	only     *spi.Mode     // the only mode in which the chip answers; nil: any
	floating int           // -1, or what is read as no chip drives the line
	errno    syscall.Errno // the answer to everything
	hook     func(n int)
	flip     func(n int, r []byte)
	seen     int
}

// NewSelect makes one with a chip.
func NewSelect(c Chip) *Select { return &Select{chip: c, floating: -1} }

// With runs f between two transfers.
func (s *Select) With(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Only has the chip answer in that mode alone: in another its clock is not what it takes, and
// zeros are read.
func (s *Select) Only(m spi.Mode) { s.With(func() { s.only = &m }) }

// Float takes the chip away: every byte reads as v. -1 puts it back.
func (s *Select) Float(v int) { s.With(func() { s.floating = v }) }

// Fail has the controller report e for every transfer; 0 ends that.
func (s *Select) Fail(e syscall.Errno) { s.With(func() { s.errno = e }) }

// Hook has f called before every transfer with its number, counted from here.
func (s *Select) Hook(f func(n int)) { s.With(func() { s.hook, s.seen = f, 0 }) }

// Flip has f change what a transfer read; n is its number, counted from here.
func (s *Select) Flip(f func(n int, r []byte)) { s.With(func() { s.flip, s.seen = f, 0 }) }

// Seen returns how many transfers there were since Hook or Flip.
func (s *Select) Seen() (n int) {
	s.With(func() { n = s.seen })
	return n
}

// Settings are those that it was opened with.
func (s *Select) Settings() (set bus.Settings) {
	s.With(func() { set = s.settings })
	return set
}

// Start runs buses whose every select is s until end is called.
func Start(t testing.TB, s *Select) (buses *bus.Buses, ctx context.Context, end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	buses = bus.NewOn(slog.New(slog.DiscardHandler), func(_ bus.Addr, set bus.Settings) (bus.Conn, error) {
		s.With(func() { s.settings = set })
		return opened{s, set}, nil
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buses.Run(ctx)
	}()
	return buses, ctx, func() { cancel(); <-ended }
}

// opened is an open Select.
type opened struct {
	s   *Select
	set bus.Settings
}

// Tx implements conn.Conn.
func (o opened) Tx(w, r []byte) error {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	n, hook := s.seen, s.hook
	s.seen++
	if hook != nil {
		s.mu.Unlock()
		hook(n)
		s.mu.Lock()
	}
	if s.errno != 0 {
		return s.errno
	}
	if s.floating >= 0 {
		for i := range r {
			r[i] = byte(s.floating)
		}
		return nil
	}
	if s.only != nil && *s.only != o.set.Mode {
		clear(r)
		return nil
	}
	copy(r, s.chip.Transfer(w))
	if s.flip != nil {
		s.flip(n, r)
	}
	return nil
}

func (o opened) TxPackets([]spi.Packet) error { return errors.ErrUnsupported }
func (o opened) Duplex() conn.Duplex          { return conn.Full }
func (o opened) String() string               { return "select in memory" }
func (o opened) Close() error                 { return nil }
