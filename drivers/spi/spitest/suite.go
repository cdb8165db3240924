package spitest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/spi/bus"
)

// Suite is the conformance suite of one driver of an SPI chip. Driver, Chip and Want must
// be set; Run runs it.
type Suite struct {
	Driver    func(*bus.Buses) drivers.Driver
	Chip      func() Chip // right after power-on, measuring what Want says
	Want      []driverstest.Want
	Configure func(d drivers.Driver, c *drivers.DeviceConfig) // nil: the defaults
	States    []State
	// ZeroIsAValue is why the driver takes all zeros for an answer; "" is that it is none.
	ZeroIsAValue string
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
		{"nothing there, zeros", func(t *testing.T, r *run) { s.nothing(t, r, 0x00) }},
		{"nothing there, ones", func(t *testing.T, r *run) { s.nothing(t, r, 0xff) }},
		{"bus unplugged", s.unplugged},
		{"every transfer fails once", s.eachFails},
		{"power dips at every transfer", s.eachDips},
		{"cancelled at every transfer", s.eachCancelled},
		{"left by another program", s.left},
	} {
		s.part(t, p.name, p.part)
	}
	for _, st := range s.States {
		s.part(t, st.Name, func(t *testing.T, r *run) {
			r.sel.With(func() { st.Set(r.sel.chip) })
			rs, err := r.once(r.ctx)
			driverstest.Check(t, st.Name, rs, nil, st.Want)
			if st.Err != "" {
				driverstest.WantError(t, st.Name, nil, err, st.Err, r.driver.Name, "spi bus 0, select 0")
			} else if err != nil {
				t.Errorf("%s: %v", st.Name, err)
			}
		})
	}
}

// run is one device on one select.
type run struct {
	suite  *Suite
	t      *testing.T
	ctx    context.Context
	sel    *Select
	driver drivers.Driver
	config drivers.DeviceConfig
	dev    drivers.Poller
}

func (s Suite) part(t *testing.T, name string, f func(*testing.T, *run)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &run{suite: &s, t: t, sel: NewSelect(s.Chip())}
			buses, ctx, end := Start(t, r.sel)
			defer end()
			r.ctx, r.driver = ctx, s.Driver(buses)
			r.config = drivers.DeviceConfig{Device: "d", Options: r.driver.Options(), Every: r.driver.Every, Store: driverstest.Store{}}
			if s.Configure != nil {
				s.Configure(r.driver, &r.config)
			}
			f(t, r)
		})
	})
}

// once opens the device if need be, and asks it.
func (r *run) once(ctx context.Context) ([]drivers.Reading, error) {
	if r.dev == nil {
		dev, err := r.driver.Open(ctx, r.config)
		if err != nil {
			return nil, err
		}
		r.dev = dev.(drivers.Poller)
	}
	return driverstest.Poll(ctx, r.dev)
}

// recovers checks that the readings are right again, at the latest the second time.
func (r *run) recovers(after string) {
	r.t.Helper()
	time.Sleep(time.Second)
	rs, err := r.once(r.ctx)
	if err != nil {
		driverstest.NeverWrong(r.t, "after "+after, rs, r.suite.Want)
		time.Sleep(time.Second)
		rs, err = r.once(r.ctx)
	}
	driverstest.Check(r.t, "after "+after, rs, err, r.suite.Want)
}

func (s Suite) right(t *testing.T, r *run) {
	rs, err := r.once(r.ctx)
	driverstest.Check(t, "first poll", rs, err, s.Want)
	r.recovers("the first poll")
}

// nothing takes the chip away, first before the device is opened, then while it is open.
func (s Suite) nothing(t *testing.T, r *run, v int) {
	if v == 0 && s.ZeroIsAValue != "" {
		t.Skip(s.ZeroIsAValue)
	}
	for _, when := range []string{"from the start", "while open"} {
		r.sel.Float(v)
		rs, err := r.once(r.ctx)
		driverstest.WantError(t, "nothing there "+when, rs, err, r.driver.Name, "spi bus 0, select 0")
		r.sel.Float(-1)
		r.sel.With(r.sel.chip.PowerOn)
		r.recovers("it was plugged in")
	}
}

func (s Suite) unplugged(t *testing.T, r *run) {
	r.once(r.ctx)
	r.sel.Fail(syscall.ENODEV)
	rs, err := r.once(r.ctx)
	driverstest.WantError(t, "unplugged", rs, err, "spi bus 0")
	if !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("unplugged: %v is not ErrAbsent", err)
	}
	r.sel.Fail(0)
	r.recovers("the bus was plugged in")
}

// each has something happen at every transfer of a poll.
func (s Suite) each(t *testing.T, r *run, what string, happen func() (end func())) {
	r.once(r.ctx)
	r.sel.Hook(nil)
	rs, err := r.once(r.ctx)
	driverstest.Check(t, "undisturbed", rs, err, s.Want)
	for i := range r.sel.Seen() {
		end := func() {}
		r.sel.Hook(func(n int) {
			if n == i {
				end = happen()
			} else if n == i+1 {
				end()
				end = func() {}
			}
		})
		rs, _ := r.once(r.ctx)
		r.sel.Hook(nil)
		end()
		driverstest.NeverWrong(t, fmt.Sprintf("%s at transfer %d", what, i), rs, s.Want)
		r.recovers(fmt.Sprintf("%s at transfer %d", what, i))
	}
}

func (s Suite) eachFails(t *testing.T, r *run) {
	s.each(t, r, "an error", func() func() {
		r.sel.Fail(syscall.EIO)
		return func() { r.sel.Fail(0) }
	})
}

func (s Suite) eachDips(t *testing.T, r *run) {
	s.each(t, r, "a power dip", func() func() {
		r.sel.With(r.sel.chip.PowerOn)
		return func() {}
	})
}

func (s Suite) eachCancelled(t *testing.T, r *run) {
	r.once(r.ctx)
	r.sel.Hook(nil)
	r.once(r.ctx)
	for i := range r.sel.Seen() {
		ctx, cancel := context.WithCancel(r.ctx)
		r.sel.Hook(func(n int) {
			if n == i {
				cancel()
			}
		})
		rs, err := r.once(ctx)
		r.sel.Hook(nil)
		cancel()
		driverstest.NeverWrong(t, fmt.Sprintf("cancelled at transfer %d", i), rs, s.Want)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at transfer %d: %v", i, err)
		}
		r.recovers(fmt.Sprintf("cancelled at transfer %d", i))
	}
}

// left opens the device on a chip that another program has used.
func (s Suite) left(t *testing.T, r *run) {
	for seed := range uint64(60) {
		r.dev = nil
		rnd := rand.New(rand.NewPCG(seed, 21))
		r.sel.With(func() {
			r.sel.chip = s.Chip()
			r.sel.chip.Leave(rnd)
		})
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		when := fmt.Sprintf("another program left state %d", seed)
		rs, _ := r.once(r.ctx)
		driverstest.NeverWrong(t, when, rs, s.Want)
		r.recovers(when)
	}
}
