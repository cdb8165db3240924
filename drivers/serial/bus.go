package serial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"sensorgate/drivers"
)

const (
	// reopenEvery is how often a port that is gone is looked for: a look into /dev is
	// free, and who replugs a cable is waiting.
	reopenEvery = 500 * time.Millisecond

	// coalesce is how long the reader rests after bytes that nobody waits for. A UART
	// hands over a few bytes at a time; without the rest, garbage at 115200 baud would
	// cost a thousand wake-ups a second.
	coalesce = 5 * time.Millisecond

	readBuffer = 4096
)

// errStopped is what a Bus answers after its Run has ended.
var errStopped = errors.New("the bus has stopped")

// Bus is one wire and its owner. See the package comment.
type Bus struct {
	name string
	opts PortOptions
	log  *slog.Logger
	dial func(context.Context, *PortOptions) (conn, error) // tests have their own

	mu        sync.Mutex
	err       error // why the port is not usable; nil while it is, or was never tried
	queue     queue
	listeners map[*Listener]struct{}
	active    *Transaction // takes what arrives, instead of the listeners
	heard     time.Time    // when the wire was last busy, in either direction
	busy      time.Duration
	opened    uint64 // times

	tap  func(sent bool, p []byte, at time.Time)
	wake chan struct{} // the queue has changed
	used chan struct{} // closed by the first that listens or asks
	use  sync.Once
}

// NewBus makes a Bus; Run starts it. o has passed Check.
func NewBus(name string, o PortOptions, log *slog.Logger) *Bus {
	return &Bus{
		name: name, opts: o, log: log.With("bus", name), dial: dial,
		listeners: map[*Listener]struct{}{}, wake: make(chan struct{}, 1), used: make(chan struct{}),
	}
}

// NewBusOver makes a Bus on connections that connect makes, such as the ends of a
// net.Pipe in a test on virtual time. They have no speed, so every line is fine.
func NewBusOver(name string, o PortOptions, connect func(context.Context) (net.Conn, error), log *slog.Logger) *Bus {
	b := NewBus(name, o, log)
	b.dial = func(ctx context.Context, _ *PortOptions) (conn, error) {
		c, err := connect(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", drivers.ErrAbsent, err)
		}
		return &memory{tcp{c}}, nil
	}
	return b
}

func dial(ctx context.Context, o *PortOptions) (conn, error) {
	if o.TCP != "" {
		return openTCP(ctx, o.TCP)
	}
	path := o.Port
	if path == "" {
		var err error
		if path, err = host.findUSB(o.USB); err != nil {
			return nil, err
		}
	}
	return openTTY(path, o)
}

// Tap shows f everything that is sent and received, before anybody else sees it. To be
// called before Run; f must not keep p, and is called from two goroutines.
func (b *Bus) Tap(f func(sent bool, p []byte, at time.Time)) { b.tap = f }

// String returns where the wire is.
func (b *Bus) String() string { return b.opts.where() }

// Counters returns what was counted since the Bus was made.
func (b *Bus) Counters() drivers.BusCounters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return drivers.BusCounters{Bus: b.name, Busy: b.busy, Reopens: max(b.opened, 1) - 1}
}

func (b *Bus) wasOpened() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened > 0
}

// Line is the wire's usual speed and frame.
func (b *Bus) Line() Line { return b.opts.Line.orDefault() }

// Run owns the port until ctx ends, and reopens it forever. Whoever waits for the
// port gets the reason while it is not open. The port is opened when somebody listens
// or asks, so that a device hears what is said from the first byte.
func (b *Bus) Run(ctx context.Context) error {
	select {
	case <-b.used:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		err := b.runOpen(ctx)
		if ctx.Err() != nil {
			break
		}
		b.setDown(fmt.Errorf("%s: %w", b.opts.where(), err))
		drivers.Sleep(ctx, reopenEvery)
	}
	b.setDown(errStopped)
	return ctx.Err()
}

// runOpen opens the port and works with it until it is lost.
func (b *Bus) runOpen(ctx context.Context) error {
	c, err := b.dial(ctx, &b.opts)
	if err != nil {
		return err
	}
	b.setUp()
	ctx, cancel := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		cancel(b.read(ctx, c))
	})
	b.serve(ctx, c, cancel)
	cancel(errStopped)
	reader.Wait()
	if err := c.Close(); err != nil {
		b.log.Debug("close", "err", err)
	}
	return context.Cause(ctx)
}

// read hands what arrives to the transaction or else to the listeners, until ctx ends or
// the port is lost; the error says so.
func (b *Bus) read(ctx context.Context, c conn) error {
	buf := make([]byte, readBuffer)
	for ctx.Err() == nil {
		n, err := c.Read(buf)
		if n > 0 {
			now := time.Now()
			if b.tap != nil {
				b.tap(false, buf[:n], now)
			}
			if b.arrived(buf[:n], now) && b.tap == nil {
				drivers.Sleep(ctx, coalesce)
			}
		}
		if err != nil {
			return lost(err)
		}
	}
	return ctx.Err()
}

// lost is the error of a port that was open and is no more.
func lost(cause error) error {
	return fmt.Errorf("%w any more (%w)", drivers.ErrAbsent, cause)
}

// arrived reports whether there is no hurry to read on.
func (b *Bus) arrived(p []byte, now time.Time) (relaxed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = now
	// p[0] has been here for as long as the rest took, if they came at once.
	at := now.Add(-time.Duration(len(p)-1) * b.Line().CharTime())
	if b.active != nil {
		b.active.arrived(p, at)
		if !b.active.broadcast {
			return false
		}
	}
	for l := range b.listeners {
		l.arrived(p, at)
	}
	return b.active == nil
}

// serve runs jobs until ctx ends, because the Bus is stopped or the port is lost.
func (b *Bus) serve(ctx context.Context, c conn, lose context.CancelCauseFunc) {
	line := b.Line()
	s := newTransaction(b, c, lose)
	for ctx.Err() == nil {
		b.mu.Lock()
		j, wait := b.queue.next(time.Now())
		if j != nil {
			s.begin(j, ctx)
			b.active = s
		}
		b.mu.Unlock()
		if j == nil {
			b.rest(ctx, wait)
			continue
		}
		start := time.Now()
		err := s.run(j, &line)
		b.mu.Lock()
		b.active = nil
		now := time.Now()
		b.busy += now.Sub(start)
		b.queue.ran(j, start, now)
		b.mu.Unlock()
		j.finish(err)
	}
}

// rest waits for a change of the queue, for ctx, or for limit if it is above 0.
func (b *Bus) rest(ctx context.Context, limit time.Duration) {
	var timeout <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-ctx.Done():
	case <-b.wake:
	case <-timeout:
	}
}

func (b *Bus) setUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		b.log.Info("port back")
	}
	b.err = nil
	b.opened++
	b.heard = time.Now() // nobody knows what was on the wire before
}

// setDown reports to everybody who waits, and once per reason to the log.
func (b *Bus) setDown(err error) {
	b.mu.Lock()
	news := b.err == nil || b.err.Error() != err.Error()
	b.err = err
	jobs := b.queue.drain()
	if news {
		for l := range b.listeners {
			l.down(err)
		}
	}
	b.mu.Unlock()
	if news && !errors.Is(err, errStopped) {
		b.log.Warn("port not usable", "err", err)
	}
	for _, j := range jobs {
		j.finish(err)
	}
}

// Do runs j on the bus's goroutine when its turn comes, and waits for it. While the
// port is not there it fails at once and says why. When ctx ends, j is not begun any
// more; if it has begun, its Transaction's methods return and so must it. A queue that is
// full is an error: nothing waits forever and nothing is dropped silently.
func (b *Bus) Do(ctx context.Context, j Job) error {
	b.use.Do(func() { close(b.used) })
	q := &queued{Job: j, ctx: ctx, done: make(chan struct{})}
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	if !b.queue.add(q, time.Now()) {
		b.mu.Unlock()
		return fmt.Errorf("%s: %d requests wait already", b.opts.where(), maxQueued)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	if b.queue.remove(q) {
		b.mu.Unlock()
		return fmt.Errorf("%s: %w: its turn did not come", b.opts.where(), ctx.Err())
	}
	b.mu.Unlock()
	<-q.done
	return q.err
}
