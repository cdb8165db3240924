package serialtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/serial"
)

// BusName is the bus that Conformance has for the device: Wire{Bus: BusName}.
const BusName = "wire"

// Conformance is the suite that every driver on a serial line must pass. It opens the
// driver on a Wire in memory, on virtual time, and plays every fault.
type Conformance struct {
	Drivers func(*serial.Buses, *slog.Logger) []drivers.Driver // the package's list
	Name    string                                             // of the driver in it

	// Config returns a new configuration, with a Wire on BusName in its options.
	Config func() drivers.DeviceConfig
	// Simulator returns a new device, which is well.
	Simulator func() Simulator
	// Want is what it must report. Texts are not looked at.
	Want []driverstest.Want

	// Unprotected is why a flipped bit need not be noticed: "the protocol has no check
	// sum". Empty: it must be.
	Unprotected string
}

// Run plays each fault in a test of its own.
func (c Conformance) Run(t *testing.T) {
	t.Run("healthy", c.bubble(func(t *testing.T, d *device) { d.right("healthy") }))
	faults := []struct {
		name string
		f    Fault
	}{
		{"silence", Silence}, {"half a frame", Half}, {"second half of a frame", SecondHalf}, {"garbage", Garbage}, {"noise before each frame", Noise},
		{"answer after 0.7 s", Late(700 * time.Millisecond)}, {"answer after 3 s", Late(3 * time.Second)}, {"answer after 20 s", Late(20 * time.Second)},
	}
	for _, fault := range faults {
		t.Run(fault.name, c.bubble(func(t *testing.T, d *device) {
			d.right("before")
			d.wire.SetFault(fault.f)
			d.neverWrong(fault.name)
			d.wire.SetFault(Healthy)
			d.settle()
			d.right("after " + fault.name)
		}))
	}
	t.Run("byte by byte", c.bubble(func(t *testing.T, d *device) {
		d.wire.SetFault(Bytewise)
		d.settle()
		d.right("byte by byte")
	}))
	t.Run("wrong sum", func(t *testing.T) {
		if c.Unprotected != "" {
			t.Skip(c.Unprotected)
		}
		c.bubble(wrongSum)(t)
	})
	t.Run("unplugged and back", c.bubble(unplug))
	t.Run("cancelled in mid-read", c.bubble(cancel))
}

// wrongSum flips bits all over the frame, one at a time.
func wrongSum(_ *testing.T, d *device) {
	const bits = 61 // a prime, so that the places do not repeat in frames of usual lengths
	for i := range bits {
		d.wire.SetFault(WrongSum(i * 41))
		d.neverWrong(fmt.Sprintf("bit %d flipped", i*41))
	}
	d.wire.SetFault(Healthy)
	d.settle()
	d.right("after flipped bits")
}

func unplug(t *testing.T, d *device) {
	d.right("before")
	d.wire.Unplug()
	rs, errs := d.observe()
	if driverstest.NeverWrong(t, "unplugged", rs, d.want); !errors.Is(errors.Join(errs...), drivers.ErrAbsent) {
		t.Errorf("unplugged: reported %v, want an error that is drivers.ErrAbsent", errs)
	}
	d.wire.Plug()
	d.settle()
	d.right("plugged in again")
}

// cancel ends the context while the device is waited for.
func cancel(t *testing.T, d *device) {
	d.wire.SetFault(Half)
	start := time.Now()
	var took time.Duration
	if d.poller != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		d.poller.Poll(ctx)
		took = time.Since(start) - 150*time.Millisecond
	} else {
		time.Sleep(1500 * time.Millisecond)
		start = time.Now()
		d.stop()
		took = time.Since(start)
	}
	if took > time.Second {
		t.Errorf("returned %v after its context had ended, want at once", took)
	}
}

// device is the driver's device on its wire.
type device struct {
	t      *testing.T
	wire   *Wire
	want   []driverstest.Want
	poller drivers.Poller // nil: it watches
	stop   func()         // ends watching and waits

	mu       sync.Mutex
	readings []drivers.Reading
	errs     []error
}

// bubble returns a test that runs f with a device on virtual time.
func (c Conformance) bubble(f func(*testing.T, *device)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := &device{t: t, wire: NewWire(c.Simulator()), want: c.Want, stop: func() {}}
			config := c.Config()
			if o, ok := config.Options.(drivers.Checker); ok {
				if err := o.Check(); err != nil {
					t.Fatal(err)
				}
			}
			if config.Store == nil {
				config.Store = driverstest.Store{}
			}
			bus := d.wire.Bus(serial.PortOptions{})
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { bus.Run(ctx) })
			list := c.Drivers(serial.Only(bus), Quiet())
			opened, err := Named(t, list, c.Name).Open(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			d.start(opened)
			defer func() {
				d.stop()
				driverstest.Close(t, opened)
				cancel()
				running.Wait()
			}()
			f(t, d)
		})
	}
}

func (d *device) start(opened any) {
	if p, ok := opened.(drivers.Poller); ok {
		d.poller = p
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { opened.(drivers.Watcher).Watch(ctx, d.report) })
	d.stop = func() { cancel(); watching.Wait() }
}

func (d *device) report(r drivers.Reading, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.errs = append(d.errs, err)
	} else {
		d.readings = append(d.readings, r)
	}
}

// observe asks once, or listens for as long as a device that is asked every ten seconds
// needs, and returns what came.
func (d *device) observe() ([]drivers.Reading, []error) {
	if d.poller != nil {
		rs, err := driverstest.Poll(context.Background(), d.poller)
		if err != nil {
			return numbers(rs), []error{err}
		}
		return numbers(rs), nil
	}
	time.Sleep(30 * time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	rs, errs := d.readings, d.errs
	d.readings, d.errs = nil, nil
	return numbers(rs), errs
}

// settle lets pass what still belongs to a fault: a frame in pieces, an answer on its
// way, a port that is looked for.
func (d *device) settle() {
	time.Sleep(25 * time.Second)
	d.neverWrong("settling")
	d.neverWrong("settling")
}

// neverWrong accepts an error, but no reading that is not wanted.
func (d *device) neverWrong(when string) {
	d.t.Helper()
	rs, _ := d.observe()
	driverstest.NeverWrong(d.t, when, rs, d.want)
}

// right demands every wanted reading and no error.
func (d *device) right(when string) {
	d.t.Helper()
	rs, errs := d.observe()
	driverstest.NeverWrong(d.t, when, rs, d.want)
	driverstest.Check(d.t, when, latest(rs), errors.Join(errs...), d.want)
}

// latest keeps the last reading of each channel.
func latest(rs []drivers.Reading) (list []drivers.Reading) {
	at := map[string]int{}
	for _, r := range rs {
		if i, ok := at[r.Channel]; ok {
			list[i] = r
			continue
		}
		at[r.Channel] = len(list)
		list = append(list, r)
	}
	return list
}

// numbers leaves the texts out.
func numbers(rs []drivers.Reading) (list []drivers.Reading) {
	for _, r := range rs {
		if _, text := r.Value.Text(); !text {
			list = append(list, r)
		}
	}
	return list
}
