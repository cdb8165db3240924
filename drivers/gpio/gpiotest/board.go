// Package gpiotest has a board without a board: a gpio.Kernel whose wires are in the
// hands of a test, and the conformance suite that it and the real kernel both pass.
//
// It keeps the rules that drivers trip over: a line belongs to one request; a full
// event buffer drops the oldest and goes on numbering; debounce makes one event after
// the level has lasted; an output has its value from the first moment; a chip that is
// removed wakes nobody. Time is the caller's, so it works inside testing/synctest.
package gpiotest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
)

// Board is a machine with GPIO chips.
type Board struct {
	model  string
	booted time.Time

	mu    sync.Mutex
	chips []*chip
}

type chip struct {
	info  gpio.ChipInfo
	wires []*wire
	gone  bool
}

// wire is one line of a chip with what is connected to it.
type wire struct {
	board *Board
	chip  *chip
	name  string
	noIRQ bool

	outside drive // what the test does to it
	shorted bool  // outside is stronger than an output
	last    bool  // level when nothing holds it: a wire that floats keeps it
	line    *line // whoever has requested it
	log     []Change
}

// drive is how the outside holds a wire.
type drive uint8

const (
	floating drive = iota
	low
	high
)

// Change is something that an output did to its wire.
type Change struct {
	Time   time.Time
	Output bool // false: it became an input or was given back
	Level  bool // electrical
}

// New makes a board. model is what the device tree would say, such as "Raspberry Pi 4
// Model B Rev 1.4".
func New(model string) *Board { return &Board{model: model, booted: time.Now()} }

// AddChip plugs a chip in, with a line per name ("" has none).
func (b *Board) AddChip(name, label string, lines ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &chip{info: gpio.ChipInfo{Name: name, Label: label, Lines: len(lines)}}
	for _, l := range lines {
		c.wires = append(c.wires, &wire{board: b, chip: c, name: l})
	}
	b.chips = append(b.chips, c)
}

// RemoveChip unplugs a chip. Like kernels before 6.6 it wakes nobody who waits.
func (b *Board) RemoveChip(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chips = slices.DeleteFunc(b.chips, func(c *chip) bool {
		c.gone = c.gone || c.info.Name == name
		return c.info.Name == name
	})
}

// Drive holds a wire at a level from outside. It panics on a line that is not there,
// as all methods for the test's side do: that is a mistake in the test.
func (b *Board) Drive(name string, level bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wireLocked(name).driveLocked(level, true)
}

// Float releases a wire, also of a short circuit.
func (b *Board) Float(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wireLocked(name)
	w.outside, w.shorted = floating, false
	w.settleLocked(true)
}

// DriveUnseen is Drive without an interrupt, as when two edges merge.
func (b *Board) DriveUnseen(name string, level bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wireLocked(name).driveLocked(level, false)
}

// Short holds a wire at a level that no output can change.
func (b *Board) Short(name string, level bool) {
	b.Drive(name, level)
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wireLocked(name)
	w.shorted = true
	w.settleLocked(true)
}

// Burst changes a wire n times while nobody can read, as when the machine is busy.
func (b *Board) Burst(name string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wireLocked(name)
	for range n {
		w.driveLocked(!w.levelLocked(), true)
	}
}

// NoInterrupt makes a line that can be read but has no edges.
func (b *Board) NoInterrupt(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wireLocked(name).noIRQ = true
}

// Level is the electrical level of a wire.
func (b *Board) Level(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wireLocked(name).levelLocked()
}

// Log is what outputs did to a wire since the board was made.
func (b *Board) Log(name string) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wireLocked(name).log)
}

func (b *Board) wireLocked(name string) *wire {
	for _, c := range b.chips {
		for i, w := range c.wires {
			if w.name == name || c.info.Name+":"+strconv.Itoa(i) == name {
				return w
			}
		}
	}
	panic("gpiotest: no line " + name)
}

// Board implements gpio.Kernel.
func (b *Board) Board() string { return b.model }

// Chips implements gpio.Kernel.
func (b *Board) Chips() ([]gpio.ChipInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var infos []gpio.ChipInfo
	for _, c := range b.chips {
		infos = append(infos, c.info)
	}
	return infos, nil
}

func (b *Board) chipLocked(name string) (*chip, error) {
	for _, c := range b.chips {
		if c.info.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: %s: %w", drivers.ErrAbsent, name, fs.ErrNotExist)
}

// Lines implements gpio.Kernel.
func (b *Board) Lines(name string) ([]gpio.LineInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, err := b.chipLocked(name)
	if err != nil {
		return nil, err
	}
	infos := make([]gpio.LineInfo, len(c.wires))
	for i, w := range c.wires {
		infos[i] = gpio.LineInfo{Offset: i, Name: w.name}
		if l := w.line; l != nil {
			infos[i].Used, infos[i].Consumer = true, l.cfg.Consumer
			infos[i].Output, infos[i].ActiveLow = l.cfg.Output, l.cfg.ActiveLow
		}
	}
	return infos, nil
}

// Request implements gpio.Kernel.
func (b *Board) Request(name string, offset int, cfg gpio.Config) (gpio.Line, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, err := b.chipLocked(name)
	switch {
	case err != nil:
		return nil, err
	case offset < 0 || offset >= len(c.wires), cfg.Output && (cfg.Edges != 0 || cfg.Debounce != 0):
		return nil, errors.New("invalid argument") // EINVAL
	case c.wires[offset].line != nil:
		return nil, gpio.ErrBusy
	case cfg.Edges != 0 && c.wires[offset].noIRQ:
		return nil, gpio.ErrUnsupported
	}
	w := c.wires[offset]
	l := &line{wire: w, cfg: cfg, wake: make(chan struct{}, 1), size: bufferSize(cfg.Buffer)}
	if cfg.Output && cfg.Keep {
		l.cfg.Value = w.levelLocked() != cfg.ActiveLow
	}
	w.line = l
	if cfg.Output {
		w.noteLocked(true)
	}
	w.last = w.levelLocked()
	l.debounced = w.last
	return l, nil
}

// levelLocked is the level of the wire, by who is strongest: a short circuit, a
// transistor of the chip, what the test wired up, a pull resistor, nothing.
func (w *wire) levelLocked() bool {
	l := w.line
	switch {
	case w.shorted:
		return w.outside == high
	case l != nil && l.cfg.Output && l.drivesLocked():
		return l.cfg.Value != l.cfg.ActiveLow
	case w.outside != floating:
		return w.outside == high
	case l != nil && l.cfg.Pull == gpio.PullUp:
		return true
	case l != nil && l.cfg.Pull == gpio.PullDown:
		return false
	}
	return w.last
}

// drivesLocked reports whether an output holds its wire: an open drain only when low.
func (l *line) drivesLocked() bool {
	out := l.cfg.Value != l.cfg.ActiveLow
	return l.cfg.Drive == gpio.PushPull || (l.cfg.Drive == gpio.OpenDrain) != out
}

func (w *wire) driveLocked(level, interrupt bool) {
	w.outside = low
	if level {
		w.outside = high
	}
	w.settleLocked(interrupt)
}

// settleLocked notices a change of the level and makes its edge.
func (w *wire) settleLocked(interrupt bool) {
	now := w.levelLocked()
	changed := now != w.last
	w.last = now
	if l := w.line; changed && interrupt && l != nil && l.cfg.Edges != 0 && !w.chip.gone {
		l.edgeLocked(now)
	}
}

func (w *wire) noteLocked(output bool) {
	w.log = append(w.log, Change{Time: time.Now(), Output: output, Level: w.levelLocked()})
	w.last = w.levelLocked()
}
