package i2ctest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
)

// Suite is the conformance suite of one driver of an I2C chip. Driver, Address, Chip and
// Want must be set; Run runs it.
type Suite struct {
	// Driver makes the driver on these buses.
	Driver func(*bus.Buses) drivers.Driver
	// Address is where the chip is, on bus 1. The options must have a method
	// Place(bus.Addr), as those that embed chip.I2COptions have.
	Address uint16
	// Chip makes a simulator right after power-on, that measures what Want says.
	Chip func() Chip
	// Want are the readings of one poll, all of them.
	Want []driverstest.Want

	// Configure changes the configuration that the device is opened with: options and
	// channels. nil: the defaults.
	Configure func(d drivers.Driver, c *drivers.DeviceConfig)
	// States are further things to measure, the limits of the range among them.
	States []State
	// WrongChip makes the chip another one; the error must name WrongID.
	WrongChip func(Chip)
	WrongID   string
	// Protected means that every byte the chip sends is under a checksum: one flipped bit
	// anywhere must be an error, or leave the readings right.
	Protected bool
	// Warmup is how many polls a chip needs before it has readings: gas sensors warm up.
	// Until then it may return an error or nothing.
	Warmup int
	// AsFound is why the driver takes the chip as it finds it; only the driver of chips that
	// the user describes may. "" has it meet chips that another program has used.
	AsFound string
	// Every is the pause between two polls, default one second.
	Every time.Duration
}

// State is one thing to measure.
type State struct {
	Name string
	Set  func(Chip)
	Want []driverstest.Want // nil: no reading
	Err  string             // there must be an error that has this in it; "": none
}

// Run runs all parts of the suite, each in a bubble of its own.
func (s Suite) Run(t *testing.T) {
	for _, p := range []struct {
		name string
		part func(*testing.T, *run)
	}{
		{"right", s.right},
		{"no answer", s.noAnswer},
		{"bus reads zeros", func(t *testing.T, r *run) { s.stuck(t, r, 0x00) }},
		{"bus reads ones", func(t *testing.T, r *run) { s.stuck(t, r, 0xff) }},
		{"adapter hangs", s.hangs},
		{"every transfer fails once", s.eachFails},
		{"power dips at every transfer", s.eachDips},
		{"cancelled at every transfer", s.eachCancelled},
		{"bits flip", s.bitsFlip},
		{"slow", s.slow},
		{"wrong chip", s.wrongChip},
		{"left by another program", s.left},
	} {
		s.part(t, p.name, p.part)
	}
	s.RunStates(t)
}

// RunStates runs only what the driver makes of States.
func (s Suite) RunStates(t *testing.T) {
	for _, st := range s.States {
		s.part(t, st.Name, func(t *testing.T, r *run) {
			r.bus.With(func() { st.Set(r.chip) })
			if st.Want != nil && st.Err != "" { // a fault of one channel costs no other
				rs, err := r.poll()
				driverstest.Check(t, st.Name, rs, nil, st.Want)
				driverstest.WantError(t, st.Name, nil, err, st.Err, r.driver.Name, "bus 1", fmt.Sprintf("0x%02x", s.Address))
				return
			}
			if st.Want != nil {
				rs, err := r.poll()
				driverstest.Check(t, st.Name, rs, err, st.Want)
				return
			}
			rs, err := r.once(r.ctx)
			for range s.Warmup {
				if len(rs) > 0 || err != nil {
					break
				}
				r.wait()
				rs, err = r.once(r.ctx)
			}
			driverstest.WantError(t, st.Name, rs, err, st.Err, r.driver.Name, "bus 1", fmt.Sprintf("0x%02x", s.Address))
		})
	}
}

// NoticesReset checks a chip that mostly has nothing to say: that it was reset, and so
// would stay silent forever, must be an error.
func (s Suite) NoticesReset(t *testing.T) {
	s.part(t, "reset", func(t *testing.T, r *run) {
		r.poll()
		r.bus.With(r.chip.PowerOn)
		rs, err := r.once(r.ctx)
		driverstest.WantError(t, "after a reset", rs, err, "reset")
		r.recovers("a reset")
	})
}

// Partly checks a chip some of whose channels fail: the others' readings must come, with
// an error that has these words.
func (s Suite) Partly(t *testing.T, want []driverstest.Want, words ...string) {
	s.part(t, "partly", func(t *testing.T, r *run) {
		rs, err := r.poll()
		driverstest.Check(t, "the others", rs, nil, want)
		driverstest.WantError(t, "the rest", nil, err, words...)
	})
}

// part runs f in a bubble, with the device on a bus with a fresh chip.
func (s Suite) part(t *testing.T, name string, f func(*testing.T, *run)) {
	if s.Every == 0 {
		s.Every = time.Second
	}
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := s.start(t)
			f(t, r)
			r.stop()
		})
	})
}

// run is one device on one bus.
type run struct {
	suite  *Suite
	t      *testing.T
	ctx    context.Context
	bus    *Bus
	chip   Chip
	driver drivers.Driver
	config drivers.DeviceConfig
	dev    drivers.Poller // nil until it could be opened
	stop   func()
}

func (s Suite) start(t *testing.T) *run {
	r := &run{suite: &s, t: t, bus: NewBus(), chip: s.Chip()}
	r.bus.Attach(s.Address, r.chip)
	buses, ctx, end := Start(t, r.bus)
	r.ctx = ctx
	r.driver, r.config = s.Device(t, buses)
	r.stop = func() {
		r.close()
		end()
	}
	return r
}

// Device makes the driver and the configuration of its device, for tests of one's own.
func (s Suite) Device(t testing.TB, b *bus.Buses) (drivers.Driver, drivers.DeviceConfig) {
	t.Helper()
	d := s.Driver(b)
	c := drivers.DeviceConfig{Device: "d", Options: d.Options(), Every: s.Every, Store: driverstest.Store{}}
	at, ok := c.Options.(interface{ SetAddress(bus.Addr) })
	if !ok {
		t.Fatalf("%s: options of type %T have no method SetAddress (try: embed chip.I2COptions)", d.Name, c.Options)
	}
	at.SetAddress(bus.Addr{Bus: "1", Chip: s.Address})
	if s.Configure != nil {
		s.Configure(d, &c)
	}
	return d, c
}

// On makes buses that are all b. Nothing runs yet: see Start.
func On(b *Bus) *bus.Buses {
	return bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return b, nil })
}

// Start runs buses that are all b until end is called, which waits for their goroutines.
func Start(t testing.TB, b *Bus) (buses *bus.Buses, ctx context.Context, end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	buses = On(b)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buses.Run(ctx)
	}()
	return buses, ctx, func() { cancel(); <-ended }
}

// poll opens the device if need be and asks it as often as it needs to warm up.
func (r *run) poll() ([]drivers.Reading, error) {
	for range r.suite.Warmup {
		r.once(r.ctx)
		r.wait()
	}
	return r.once(r.ctx)
}

func (r *run) wait() { time.Sleep(r.suite.Every) }

// once opens the device if need be, and asks it.
func (r *run) once(ctx context.Context) ([]drivers.Reading, error) {
	if r.dev == nil {
		octx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		dev, err := r.driver.Open(octx, r.config)
		if err != nil {
			return nil, err
		}
		r.dev = dev.(drivers.Poller)
	}
	return driverstest.Poll(ctx, r.dev)
}

func (r *run) close() {
	if r.dev != nil {
		driverstest.Close(r.t, r.dev)
		r.dev = nil
	}
}

// recovers waits and checks that the readings are right again, at the latest the second
// time: the first may still report what it found out.
func (r *run) recovers(after string) {
	t, want := r.t, r.suite.Want
	t.Helper()
	r.wait()
	rs, err := r.once(r.ctx)
	for i := 0; i <= r.suite.Warmup && (err != nil || len(rs) < len(want)); i++ {
		driverstest.NeverWrong(t, "after "+after, rs, want)
		r.wait()
		rs, err = r.once(r.ctx)
	}
	driverstest.Check(t, "after "+after, rs, err, want)
}
