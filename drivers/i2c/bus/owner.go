package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
)

const (
	// txTimeout bounds one transfer including the wait for the bus. The kernel gives an
	// adapter up to a second for a chip that holds the clock.
	txTimeout = 2 * time.Second
	// hangsToRecover hanging transfers in a row, to whatever address, mean that the bus
	// hangs and not a chip.
	hangsToRecover = 3
	recoverEvery   = 30 * time.Second
)

// owner is the one goroutine that talks to one bus.
type owner struct {
	buses *Buses
	name  string
	log   *slog.Logger
	calls chan *call // unbuffered: who waits can give up

	transfers, failed, busy, recovered, opened, freed atomic.Int64

	clear atomic.Pointer[Clear] // what frees the bus; nil: a reset of its adapter

	// The rest belongs to the goroutine.
	bus      i2c.BusCloser // nil while closed
	selected []Hop         // channels that are switched through right now
	hangs    int           // transfers in a row that the bus did not finish
	nextTry  time.Time     // no recovery before this
}

// call is one transfer that somebody waits for. The owner writes only to it.
type call struct {
	ctx  context.Context
	addr Addr
	w, r []byte
	do   func() error // instead of a transfer; nil for one
	err  error
	done chan struct{}
}

func newOwner(b *Buses, name string) *owner {
	return &owner{buses: b, name: name, log: b.log.With("bus", "i2c-"+name), calls: make(chan *call)}
}

// tx hands a transfer to the owner and waits for it, at most txTimeout.
func (o *owner) tx(ctx context.Context, a Addr, w, r []byte) error {
	c := &call{addr: a, w: append([]byte(nil), w...), r: make([]byte, len(r))}
	err := o.ask(ctx, c)
	if err == nil {
		copy(r, c.r)
	}
	return err
}

// do has f called while nobody of us talks on the bus, and waits for it, at most txTimeout.
func (o *owner) do(ctx context.Context, f func() error) error { return o.ask(ctx, &call{do: f}) }

func (o *owner) ask(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	c.ctx, c.done = ctx, make(chan struct{})
	select {
	case o.calls <- c:
	case <-ctx.Done():
		return late(ctx, "the bus is busy")
	case <-o.buses.done:
		return errStopped
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return late(ctx, "the bus hangs")
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
	defer o.close()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-o.calls:
			o.serve(c)
		}
	}
}

func (o *owner) serve(c *call) {
	defer close(c.done)
	if c.err = c.ctx.Err(); c.err != nil {
		return
	}
	if c.do != nil {
		c.err = c.do()
		return
	}
	if c.err = o.ensureOpen(); c.err != nil {
		return
	}
	start := time.Now()
	err := o.selectPath(c.addr)
	if err == nil {
		err = drivers.Guard(func() error { return o.bus.Tx(c.addr.Chip, c.w, c.r) })
		c.err = explain(err)
	} else {
		c.err = err
	}
	o.busy.Add(int64(time.Since(start)))
	o.transfers.Add(1)
	if o.buses.trace != nil {
		o.buses.trace(c.addr, c.w, c.r, c.err)
	}
	o.judge(err)
}

func (o *owner) ensureOpen() error {
	if o.bus != nil {
		return nil
	}
	bus, err := o.buses.open(o.name)
	if err != nil {
		return err
	}
	o.bus = bus
	o.opened.Add(1)
	o.selected = nil
	return nil
}

func (o *owner) close() {
	if o.bus == nil {
		return
	}
	if err := o.bus.Close(); err != nil {
		o.log.Debug("close", "err", err)
	}
	o.bus = nil
}

// judge looks at how a transfer ended: an adapter that is gone is closed, so that it is
// found again when it is back, and a bus that hangs is freed.
func (o *owner) judge(err error) {
	if err == nil {
		o.hangs = 0
		return
	}
	o.failed.Add(1)
	switch {
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.ESHUTDOWN), errors.As(err, new(*drivers.PanicError)):
		o.close()
	case isHang(err):
		o.hangs++
	default: // an address that does not answer shows that the bus works
		o.hangs = 0
	}
	if o.hangs < hangsToRecover || time.Now().Before(o.nextTry) {
		return
	}
	o.nextTry = time.Now().Add(recoverEvery)
	o.hangs = 0
	o.recovered.Add(1)
	o.close()
	if o.clear.Load() != nil {
		if err := o.free(); err != nil {
			o.log.Warn("i2c bus hangs", "err", err)
			return
		}
		o.log.Warn("i2c bus hung, it was freed by clock pulses")
		return
	}
	if o.buses.sysfs == "" {
		return
	}
	err = sysfs(o.buses.sysfs).rebind(o.name)
	if errors.Is(err, errOnlyRoot) && o.buses.asks != "" {
		if err = sysfs(o.buses.sysfs).ask(o.name, o.buses.asks); err == nil {
			o.log.Warn("i2c bus hangs, sensorgate-i2c-reset is asked to reset its adapter")
			return
		}
	}
	if err != nil {
		o.log.Warn("i2c bus hangs", "err", err)
		return
	}
	o.log.Warn("i2c bus hung, its adapter was reset")
}

// isHang distinguishes a bus that does not work from a chip that does not answer.
func isHang(err error) bool {
	return errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EAGAIN)
}

// selectPath switches the multiplexers on the way to a. A channel is written before
// every transfer and not remembered: a multiplexer that lost its power for a moment has
// all channels off, and a chip with the same address elsewhere would answer instead.
// PCA9548A data sheet, section "Control register": the channels switch at the stop.
func (o *owner) selectPath(a Addr) error {
	for _, h := range slices.Backward(o.selected) { // the inner one first, while it can be reached
		if slices.ContainsFunc(a.Hops, func(on Hop) bool { return on.Mux == h.Mux }) {
			continue
		}
		if err := o.bus.Tx(h.Mux, []byte{0}, nil); err != nil {
			// Gone with its channel; nothing behind it can answer.
			o.log.Debug("multiplexer", "addr", h.Mux, "err", err)
		}
	}
	o.selected = a.Hops
	for _, h := range a.Hops {
		if err := o.bus.Tx(h.Mux, []byte{1 << h.Channel}, nil); err != nil {
			return fmt.Errorf("multiplexer 0x%02x: %w", h.Mux, explain(err))
		}
	}
	return nil
}

func (o *owner) stats() Stats {
	return Stats{
		Bus:       o.name,
		Transfers: o.transfers.Load(),
		Failed:    o.failed.Load(),
		Busy:      time.Duration(o.busy.Load()),
		Recovered: o.recovered.Load(),
		Opened:    o.opened.Load(),
	}
}
