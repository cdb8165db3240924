package bus

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sort"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
)

// Opener opens the adapter that an Addr calls bus.
type Opener func(bus string) (i2c.BusCloser, error)

// Trace sees every transfer, in the goroutine of the bus: it must be quick and keep
// neither slice.
type Trace func(a Addr, w, r []byte, err error)

// Buses is the machine's I2C adapters, each opened on first use.
type Buses struct {
	log   *slog.Logger
	open  Opener
	sysfs string // where the kernel lists who owns an address; "" does not ask
	trace Trace
	asks  string // folder in which the reset of an adapter is asked for; "": there is nobody to ask
	lines drivers.InterruptOpener
	pins  drivers.OpenDrainOpener

	wake chan struct{} // 1 deep: there is something in pending
	done chan struct{} // closed when Run has ended

	mu      sync.Mutex
	owners  map[string]*owner
	pending []*owner // Run has not started these yet
}

// New makes the buses of this machine. It opens nothing.
func New(log *slog.Logger) *Buses {
	s := sysfs("/sys")
	b := newBuses(log, s.open, string(s))
	b.asks = os.Getenv("RUNTIME_DIRECTORY") // systemd's, that deploy/i2creset looks into
	return b
}

// NewOn makes buses that open returns: a test's fake, or another library's.
func NewOn(log *slog.Logger, open Opener) *Buses { return newBuses(log, open, "") }

func newBuses(log *slog.Logger, open Opener, sysfs string) *Buses {
	return &Buses{
		log:    log,
		open:   open,
		sysfs:  sysfs,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		owners: map[string]*owner{},
	}
}

// SetTrace makes t see every transfer. It must be called before Run.
func (b *Buses) SetTrace(t Trace) { b.trace = t }

// SetLines has open open the lines that chips' interrupt pins are wired to. It must be
// called before Run.
func (b *Buses) SetLines(open drivers.InterruptOpener) { b.lines = open }

// Line opens the line that a device's chip is wired to; see drivers.InterruptOpener.
func (b *Buses) Line(device, line string, high bool) (drivers.Interrupt, error) {
	if b.lines == nil {
		return nil, errors.New("there are no GPIO lines here")
	}
	return b.lines(device, line, high)
}

// Run owns the goroutines of all buses; it returns when they have ended. Devices that
// ask before it runs wait for it; those that ask after it has ended get an error.
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

// owner returns the bus called name, and has Run start it if it is new.
func (b *Buses) owner(name string) *owner {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.owners[name]
	if o == nil {
		o = newOwner(b, name)
		b.owners[name] = o
		b.pending = append(b.pending, o)
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return o
}

// Stats counts what went over one bus since the start.
type Stats struct {
	Bus       string
	Transfers int64
	Failed    int64
	Busy      time.Duration // time that the adapter was at work
	Recovered int64         // attempts to free a hanging bus
	Opened    int64
}

// Stats returns the counters of all buses in use, sorted by name.
func (b *Buses) Stats() []Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Stats, 0, len(b.owners))
	for _, o := range b.owners {
		all = append(all, o.stats())
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Bus < all[k].Bus })
	return all
}

// Counters returns what every driver's buses count, sorted by name.
func (b *Buses) Counters() []drivers.BusCounters {
	var all []drivers.BusCounters
	for _, s := range b.Stats() {
		all = append(all, drivers.BusCounters{Bus: "i2c-" + s.Bus, Busy: s.Busy, Reopens: uint64(max(s.Opened, 1) - 1)})
	}
	return all
}

var errStopped = errors.New("the buses were stopped")
