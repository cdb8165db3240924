package hardware

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"sensorgate/deploy/board/vhost"
)

// Requests, directions and interrupt types of a virtio GPIO device; VIRTIO 1.2, 5.18.
const (
	gpioGetNames     = 1
	gpioGetDirection = 2
	gpioSetDirection = 3
	gpioGetValue     = 4
	gpioSetValue     = 5
	gpioSetIRQType   = 6

	dirNone = 0
	dirOut  = 1

	irqRising  = 1
	irqFalling = 2

	irqInvalid = 0 // status of an event: the interrupt was switched off
	irqValid   = 1
)

// GPIO is a chip whose lines are in the hands of the host.
type GPIO struct {
	mu    sync.Mutex
	names []string
	lines []gpioLine
	log   []OutputChange
	spi   *spiBus // nil: there is none
}

type gpioLine struct {
	dir, out, in int
	irq          uint32
	held         *vhost.Chain // the guest's buffer for the next interrupt
	latched      bool         // an edge came while no buffer was there
}

// OutputChange is something that the guest did to a line.
type OutputChange struct {
	Time   time.Time
	Line   int
	Output bool
	Level  bool
}

// NewGPIO makes a chip with a line per name.
func NewGPIO(names ...string) *GPIO {
	return &GPIO{names: names, lines: make([]gpioLine, len(names))}
}

// Set drives an input.
func (g *GPIO) Set(no int, high bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, level, want := &g.lines[no], 0, uint32(irqFalling)
	if high {
		level, want = 1, irqRising
	}
	if l.in == level {
		return
	}
	l.in = level
	switch {
	case l.irq&want == 0:
	case l.held != nil:
		l.held.Done([]byte{irqValid})
		l.held = nil
	default:
		l.latched = true // a second one merges with it, as in slow hardware
	}
}

// Settled reports that the guest has taken all edges of a line and waits for the next.
func (g *GPIO) Settled(no int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[no]
	return l.irq == 0 || !l.latched && l.held != nil
}

// Watched reports that the guest wants the edges of a line.
func (g *GPIO) Watched(no int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lines[no].irq != 0
}

// Get returns the level on the wire.
func (g *GPIO) Get(no int) (high, output bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[no]
	if l.dir == dirOut {
		return l.out != 0, true
	}
	return l.in != 0, false
}

// Line finds a line by name or number.
func (g *GPIO) Line(s string) (int, error) {
	if i := slices.Index(g.names, s); i >= 0 {
		return i, nil
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < 0 || i >= len(g.lines) {
		return 0, fmt.Errorf("no line %q", s)
	}
	return i, nil
}

// Log is what the guest did to its outputs since the last call.
func (g *GPIO) Log() []OutputChange {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.log
	g.log = nil
	return l
}

// Features implements vhost.Device: VIRTIO_GPIO_F_IRQ.
func (*GPIO) Features() uint64 { return 1 }

// Queues implements vhost.Device: requests and events.
func (*GPIO) Queues() int { return 2 }

// Config implements vhost.Device: the number of lines and the size of their names.
func (g *GPIO) Config() []byte {
	b := make([]byte, 8)
	binary.LittleEndian.PutUint16(b, uint16(len(g.lines)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(g.nameBlock())))
	return b
}

func (g *GPIO) nameBlock() (b []byte) {
	for _, n := range g.names {
		b = append(append(b, n...), 0)
	}
	return b
}

// Reset implements vhost.Device. The outside keeps its levels.
func (g *GPIO) Reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.lines {
		g.lines[i] = gpioLine{in: g.lines[i].in}
	}
}

// Handle implements vhost.Device.
func (g *GPIO) Handle(q int, c *vhost.Chain) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case q == 1:
		g.eventBufferLocked(c)
	case len(c.Out) == 0 || len(c.Out[0]) < 8:
		c.Done([]byte{1, 0})
	default:
		c.Done(g.requestLocked(c.Out[0])...)
	}
}

// eventBufferLocked keeps the guest's buffer until there is an edge to put into it.
func (g *GPIO) eventBufferLocked(c *vhost.Chain) {
	if len(c.Out) == 0 || len(c.Out[0]) < 2 || int(binary.LittleEndian.Uint16(c.Out[0])) >= len(g.lines) {
		c.Done([]byte{irqInvalid})
		return
	}
	l := &g.lines[binary.LittleEndian.Uint16(c.Out[0])]
	if l.latched {
		l.latched = false
		c.Done([]byte{irqValid})
		return
	}
	l.held = c
}

func (g *GPIO) requestLocked(m []byte) (answer [][]byte) {
	typ, no, val := binary.LittleEndian.Uint16(m), int(binary.LittleEndian.Uint16(m[2:])), binary.LittleEndian.Uint32(m[4:])
	if typ == gpioGetNames {
		return [][]byte{append([]byte{0}, g.nameBlock()...)}
	}
	if no >= len(g.lines) {
		return [][]byte{{1, 0}}
	}
	l := &g.lines[no]
	value := 0
	switch typ {
	case gpioGetDirection:
		value = l.dir
	case gpioSetDirection:
		l.dir = int(val)
		g.noteLocked(no)
	case gpioGetValue:
		if value = l.in; l.dir == dirOut {
			value = l.out
		}
	case gpioSetValue:
		l.out = int(val)
		if ours, miso := g.spi.set(no, val != 0); !ours {
			g.noteLocked(no)
		} else if miso >= 0 {
			g.lines[spiIn].in = miso
		}
	case gpioSetIRQType:
		g.setIRQLocked(l, val)
	default:
		return [][]byte{{1, 0}}
	}
	return [][]byte{{0, byte(value)}}
}

func (g *GPIO) setIRQLocked(l *gpioLine, typ uint32) {
	l.irq = typ
	if typ != 0 {
		return
	}
	l.latched = false
	if l.held != nil {
		l.held.Done([]byte{irqInvalid})
		l.held = nil
	}
}

// noteLocked logs what reaches the wire. A value that is set before the direction is
// not on the wire yet.
func (g *GPIO) noteLocked(no int) {
	const most = 1 << 16
	if l := g.lines[no]; len(g.log) < most {
		g.log = append(g.log, OutputChange{Time: time.Now(), Line: no, Output: l.dir == dirOut, Level: l.out != 0})
	}
}
