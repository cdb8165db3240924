package i2ctest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/physic"
)

// Chip is a chip on a Bus. The bus calls one method at a time.
type Chip interface {
	Write(b []byte) error // one write message
	Read(b []byte) error  // one read message
	// PowerOn puts the chip into the state it has after its supply came back.
	PowerOn()
}

// Slower is a chip whose conversions can take longer than usual: 1.1 is a slow
// oscillator within its tolerance, 1000 one that never gets done.
type Slower interface{ Slow(factor float64) }

// Stopper is a chip that must know where a transfer ends.
type Stopper interface{ Stop() }

// Leaver is a chip that another program may have used before. Leave puts it into a state
// that such a program can leave behind: whatever its mode registers can hold, measuring,
// asleep, with the results of yesterday. It does so as a program would, by writing.
type Leaver interface{ Leave(r *rand.Rand) }

// Pinned is a chip with a data-ready pin: Pin is its level now.
type Pinned interface{ Pin() bool }

// ErrNAK is what a chip returns that does not take a byte.
var ErrNAK = errors.New("not acknowledged")

// Bus is an I2C bus in memory, with chips on it and faults. It is an i2c.BusCloser of
// periph.io/x/conn.
type Bus struct {
	mu     sync.Mutex
	chips  map[uint16]Chip
	stuck  int  // -1, or what every read returns and every address acknowledges
	dead   bool // nobody acknowledges
	holds  map[uint16]time.Duration
	errno  syscall.Errno // the adapter's answer to everything
	hertz  int
	hook   func(n int)
	flip   func(n int, r []byte)
	seen   int // transfers so far
	busy   time.Duration
	closed bool
}

// NewBus makes an empty bus that works.
func NewBus() *Bus {
	return &Bus{chips: map[uint16]Chip{}, holds: map[uint16]time.Duration{}, stuck: -1}
}

// Attach puts c on the bus; nil takes away what is there.
func (b *Bus) Attach(addr uint16, c Chip) {
	b.With(func() { b.AttachLocked(addr, c) })
}

// AttachLocked is Attach for chips that connect others, such as a multiplexer: it may
// only be called from a chip's methods and from With.
func (b *Bus) AttachLocked(addr uint16, c Chip) {
	if c == nil {
		delete(b.chips, addr)
		return
	}
	b.chips[addr] = c
	if two, ok := c.(interface{ Beside() (uint16, Chip) }); ok { // a chip with two addresses
		other, half := two.Beside()
		b.chips[other] = half
	}
}

// With runs f between two transfers: the place to change what a chip measures.
func (b *Bus) With(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// Unplug takes all chips off the bus, or puts them back.
func (b *Bus) Unplug(gone bool) { b.With(func() { b.dead = gone }) }

// Stick holds the data line: every address acknowledges and every byte reads as v.
// -1 releases it.
func (b *Bus) Stick(v int) { b.With(func() { b.stuck = v }) }

// Fail has the adapter report e for every transfer; 0 ends that.
func (b *Bus) Fail(e syscall.Errno) { b.With(func() { b.errno = e }) }

// Hold makes the chip at addr hold the clock at every transfer, until the adapter gives
// up after d. 0 ends that.
func (b *Bus) Hold(addr uint16, d time.Duration) { b.With(func() { b.holds[addr] = d }) }

// Wire makes transfers take as long as on a wire of this clock.
func (b *Bus) Wire(hertz int) { b.With(func() { b.hertz = hertz }) }

// Hook has f called before every transfer with its number, counted from here. The bus
// is not locked meanwhile. nil ends that.
func (b *Bus) Hook(f func(n int)) { b.With(func() { b.hook, b.seen = f, 0 }) }

// Flip has f change what a transfer read; n is its number, counted from here.
func (b *Bus) Flip(f func(n int, r []byte)) { b.With(func() { b.flip, b.seen = f, 0 }) }

// Seen returns how many transfers there were since Hook or Flip.
func (b *Bus) Seen() (n int) {
	b.With(func() { n = b.seen })
	return n
}

// Busy returns how long the wire was in use; only counted with Wire.
func (b *Bus) Busy() (d time.Duration) {
	b.With(func() { d = b.busy })
	return d
}

// Tx implements i2c.Bus.
func (b *Bus) Tx(addr uint16, w, r []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, hook := b.seen, b.hook
	b.seen++
	if hook != nil {
		b.mu.Unlock()
		hook(n)
		b.mu.Lock()
	}
	b.onWire(w, r)
	if d := b.holds[addr]; d > 0 {
		b.busy += d
		b.mu.Unlock()
		time.Sleep(d)
		b.mu.Lock()
		return syscall.ETIMEDOUT
	}
	switch {
	case b.errno != 0:
		return b.errno
	case b.stuck >= 0:
		for i := range r {
			r[i] = byte(b.stuck)
		}
		return nil
	}
	c := b.chips[addr]
	if c == nil || b.dead {
		return syscall.EREMOTEIO
	}
	if err := exchange(c, w, r); err != nil {
		return err
	}
	if b.flip != nil && len(r) > 0 {
		b.flip(n, r)
	}
	return nil
}

func exchange(c Chip, w, r []byte) (err error) {
	if s, ok := c.(Stopper); ok {
		defer s.Stop()
	}
	if len(w) > 0 { // nothing written and nothing read: only the address is acknowledged
		err = c.Write(w)
	}
	if err == nil && len(r) > 0 {
		err = c.Read(r)
	}
	if errors.Is(err, ErrNAK) {
		return syscall.EREMOTEIO
	}
	return err
}

// onWire takes the time of start, address, data with their acknowledgements, and stop.
func (b *Bus) onWire(w, r []byte) {
	if b.hertz == 0 {
		return
	}
	bits := 2
	if len(w) > 0 {
		bits += 9 * (1 + len(w))
	}
	if len(r) > 0 {
		bits += 9*(1+len(r)) + 1
	}
	d := time.Duration(bits) * time.Second / time.Duration(b.hertz)
	b.busy += d
	b.mu.Unlock()
	time.Sleep(d)
	b.mu.Lock()
}

// SetSpeed implements i2c.Bus.
func (b *Bus) SetSpeed(physic.Frequency) error { return errors.New("has no clock") }

// String implements i2c.Bus.
func (b *Bus) String() string { return fmt.Sprintf("fake bus with %d chips", len(b.chips)) }

// Close implements i2c.BusCloser. A closed bus can be used again, as if opened anew.
func (b *Bus) Close() error {
	b.With(func() { b.closed = true })
	return nil
}
