package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
)

// txTimeout bounds one transfer including the wait for the bus.
const txTimeout = 2 * time.Second

// Conn is an open chip select.
type Conn interface {
	spi.Conn
	io.Closer
}

// Opener opens a chip select.
type Opener func(Addr, Settings) (Conn, error)

// Buses is the machine's SPI buses, each chip select opened on first use.
type Buses struct {
	log  *slog.Logger
	open Opener

	wake chan struct{} // 1 deep: there is something in pending
	done chan struct{} // closed when Run has ended

	mu      sync.Mutex
	owners  map[int]*owner
	pending []*owner // Run has not started these yet
}

// New makes the buses of this machine. It opens nothing.
func New(log *slog.Logger) *Buses { return NewOn(log, openDevice) }

// NewOn makes buses whose selects open opens: a test's, or another library's.
func NewOn(log *slog.Logger, open Opener) *Buses {
	return &Buses{log: log, open: open, wake: make(chan struct{}, 1), done: make(chan struct{}), owners: map[int]*owner{}}
}

// Run owns the goroutines of all buses; it returns when they have ended. Devices that ask
// before it runs wait for it; those that ask after it has ended get an error.
func (b *Buses) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer close(b.done)
	defer wg.Wait()
	for {
		b.mu.Lock()
		start := b.pending
		b.pending = nil
		b.mu.Unlock()
		for _, o := range start {
			wg.Go(func() { o.run(ctx) })
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.wake:
		}
	}
}

// Dev is one chip on one select. Its methods may be called from one goroutine at a time.
type Dev struct {
	addr     Addr
	settings Settings
	owner    *owner
}

// Dev returns the chip at a. It opens nothing.
func (b *Buses) Dev(a Addr, s Settings) *Dev {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.owners[a.Bus]
	if o == nil {
		o = &owner{buses: b, log: b.log.With("bus", fmt.Sprintf("spi-%d", a.Bus)), calls: make(chan *call), open: map[Addr]opened{}, seen: map[Addr]bool{}}
		b.owners[a.Bus] = o
		b.pending = append(b.pending, o)
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return &Dev{a, s, o}
}

// Counters returns what was counted on all buses in use, sorted by number.
func (b *Buses) Counters() []drivers.BusCounters {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []drivers.BusCounters
	for _, n := range slices.Sorted(maps.Keys(b.owners)) {
		o := b.owners[n]
		all = append(all, drivers.BusCounters{Bus: fmt.Sprintf("spi-%d", n), Busy: time.Duration(o.busy.Load()), Reopens: uint64(o.reopens.Load())})
	}
	return all
}

// Error is an error with the place it happened at.
type Error struct {
	Addr Addr
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("spi bus %d, select %d: %v", e.Addr.Bus, e.Addr.Select, e.Err)
}

// Unwrap returns the error without the place.
func (e *Error) Unwrap() error { return e.Err }

// At adds the chip's place to err if it has none yet.
func (d *Dev) At(err error) error {
	if at := (*Error)(nil); err == nil || errors.As(err, &at) {
		return err
	}
	return &Error{d.addr, err}
}

// Transfer writes w and returns the bytes that the chip sent meanwhile, as many.
func (d *Dev) Transfer(ctx context.Context, w ...byte) ([]byte, error) {
	r, err := d.owner.tx(ctx, d, w)
	return r, d.At(err)
}

// Read returns n bytes while zeros are written.
func (d *Dev) Read(ctx context.Context, n int) ([]byte, error) {
	return d.Transfer(ctx, make([]byte, n)...)
}

// Reg returns n bytes from register reg on, of a chip that answers after the register's
// number.
func (d *Dev) Reg(ctx context.Context, reg byte, n int) ([]byte, error) {
	r, err := d.Transfer(ctx, append([]byte{reg}, make([]byte, n)...)...)
	if err != nil {
		return nil, err
	}
	return r[1:], nil
}

// Sleep waits for a conversion.
func Sleep(ctx context.Context, wait time.Duration) error {
	if !drivers.Sleep(ctx, wait) {
		return ctx.Err()
	}
	return nil
}

// owner is the one goroutine that talks on one bus.
type owner struct {
	buses *Buses
	log   *slog.Logger
	calls chan *call      // unbuffered: who waits can give up
	open  map[Addr]opened // the goroutine's
	seen  map[Addr]bool   // the goroutine's: was open before

	busy, reopens atomic.Int64
}

// opened is a select as it was opened.
type opened struct {
	Conn
	settings Settings
}

// call is one transfer that somebody waits for. The owner writes only to it.
type call struct {
	ctx  context.Context
	dev  *Dev
	w, r []byte
	err  error
	done chan struct{}
}

// tx hands a transfer to the owner and waits for it, at most txTimeout.
func (o *owner) tx(ctx context.Context, d *Dev, w []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	c := &call{ctx: ctx, dev: d, w: append([]byte(nil), w...), r: make([]byte, len(w)), done: make(chan struct{})}
	select {
	case o.calls <- c:
	case <-ctx.Done():
		return nil, late(ctx, "the bus is busy")
	case <-o.buses.done:
		return nil, errors.New("the buses were stopped")
	}
	select {
	case <-c.done:
		return c.r, c.err
	case <-ctx.Done():
		return nil, late(ctx, "the bus hangs")
	}
}

// late distinguishes a caller that was cancelled from one whose time ran out.
func late(ctx context.Context, why string) error {
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %s (%w)", drivers.ErrNoAnswer, why, ctx.Err())
}

func (o *owner) run(ctx context.Context) {
	defer func() {
		for a := range o.open {
			o.close(a)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-o.calls:
			o.serve(c)
			close(c.done)
		}
	}
}

func (o *owner) serve(c *call) {
	if c.err = c.ctx.Err(); c.err != nil {
		return
	}
	a := c.dev.addr
	if at, ok := o.open[a]; ok && at.settings != c.dev.settings { // a scan's, or of a device before
		o.close(a)
		delete(o.seen, a) // it was not gone
	}
	if _, ok := o.open[a]; !ok {
		conn, err := o.buses.open(a, c.dev.settings)
		if err != nil {
			c.err = err
			return
		}
		o.open[a] = opened{conn, c.dev.settings}
		if o.seen[a] {
			o.reopens.Add(1)
		}
		o.seen[a] = true
	}
	start := time.Now()
	err := drivers.Guard(func() error { return o.open[a].Tx(c.w, c.r) })
	o.busy.Add(int64(time.Since(start)))
	if err == nil {
		return
	}
	c.err = err
	for _, gone := range []syscall.Errno{syscall.ENODEV, syscall.ENXIO, syscall.EBADF, syscall.ESHUTDOWN} {
		if errors.Is(err, gone) { // opened again when it is back
			c.err = fmt.Errorf("%w (%w)", drivers.ErrAbsent, err)
			o.close(a)
			return
		}
	}
}

func (o *owner) close(a Addr) {
	if err := o.open[a].Close(); err != nil {
		o.log.Debug("close", "err", err)
	}
	delete(o.open, a)
}
