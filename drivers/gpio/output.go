package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sensorgate/drivers"
)

func outputDriver(c *Chips) drivers.Driver {
	return drivers.Driver{
		Name:     "output",
		Summary:  "GPIO output: relay, valve, light; with a safe state, time limits and interlocks",
		Options:  func() any { return &outputOptions{Class: OutputClass{outputClasses[0]}, Start: "off"} },
		Channels: []drivers.Channel{{Name: "state", Kind: drivers.State, Writable: true}},
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			return openOutput(c, s.Device, *s.Options.(*outputOptions), s.Store)
		},
	}
}

// output is a line that is commanded. Its state changes:
//
//	        command on            command off, max_on, failsafe
//	off ───────────────────▶ on ───────────────────────────────▶ off
//	      not if: min_off,         not if: min_on
//	      another of the           (max_on and exit do not ask)
//	      interlock is on
//
// Command switches the line itself; Watch keeps the timers and reports.
type output struct {
	opt    outputOptions
	device string
	line   Line
	store  drivers.Store
	group  *group        // nil without interlock
	wake   chan struct{} // has a value when Watch should look again

	mu        sync.Mutex
	on        bool
	since     time.Time // of the last change, or of the start
	changes   uint64    // counts them, and the start
	commanded time.Time // last command, or the start
	commands  uint64    // to notice that a newer one came
	failed    bool      // the failsafe state was taken and no command came since
	closed    bool
}

// lastKey holds the commanded state for start = "last".
const lastKey = "state"

func openOutput(c *Chips, device string, o outputOptions, store drivers.Store) (*output, error) {
	start, err := o.start()
	if err != nil {
		return nil, err
	}
	if start.last {
		b, ok := store.Load(lastKey)
		start.on = ok && string(b) == "on"
	}
	line, err := c.request(device, o.GPIO, Config{
		Output: true, Value: start.on, Keep: start.keep,
		ActiveLow: o.Active == ActiveLow, Drive: o.Drive, Pull: o.Pull,
	})
	if err != nil {
		return nil, err
	}
	if start.keep {
		if start.on, err = line.Get(); err != nil {
			return nil, errors.Join(err, line.Close())
		}
	}
	now := time.Now()
	d := &output{opt: o, device: device, line: line, store: store, wake: make(chan struct{}, 1), on: start.on, since: now, changes: 1, commanded: now}
	if o.Interlock != "" {
		d.group = c.group(o.Interlock)
	}
	return d, nil
}

// Close takes the exit state. What a line does after it was given back is up to the
// kernel's driver: most keep the level.
func (d *output) Close() error {
	defer d.group.leave(d) // no other may go on before this one is off
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var err error
	if exit, _ := d.opt.exit(); !exit.keep {
		err = d.line.Set(exit.on)
	}
	return errors.Join(err, d.line.Close())
}

// Command switches. It returns nil when the line has the wanted level.
func (d *output) Command(ctx context.Context, c drivers.Command) error {
	if c.Channel != "state" {
		return drivers.ErrNoCommands
	}
	on, err := d.opt.Class.parse(c.Payload)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.commands++
	number := d.commands
	d.mu.Unlock()
	for {
		wait, err := d.execute(on, number)
		if wait == 0 {
			return err
		}
		if !drivers.Sleep(ctx, wait) {
			return fmt.Errorf("%w: interlock_wait did not end in time", drivers.ErrRefused)
		}
	}
}

// execute switches if that is allowed now. wait is how long until the interlock's pause
// is over, if only that is in the way.
func (d *output) execute(on bool, number uint64) (wait time.Duration, err error) {
	defer d.group.lock()()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.commands != number {
		return 0, fmt.Errorf("%w: a newer command came", drivers.ErrRefused)
	}
	if err := d.mayLocked(on, now); err != nil {
		return 0, err
	}
	if on && !d.on {
		if wait, err := d.group.admitLocked(d, d.opt.InterlockWait, now); wait > 0 || err != nil {
			return wait, err
		}
	}
	if err := d.setLocked(on, now); err != nil {
		d.notify() // Watch finds out whether the chip is gone
		return 0, err
	}
	d.commanded, d.failed = now, false
	if d.opt.Start == "last" {
		d.store.Save(lastKey, []byte(map[bool]string{true: "on", false: "off"}[on]))
	}
	d.notify()
	return 0, d.readBackLocked()
}

// mayLocked keeps the minimum times.
func (d *output) mayLocked(on bool, now time.Time) error {
	if d.closed {
		return fmt.Errorf("%w: the gateway is stopping", drivers.ErrRefused)
	}
	if on == d.on {
		return nil
	}
	least, name := d.opt.MinOn, "min_on"
	if on {
		least, name = d.opt.MinOff, "min_off"
	}
	if left := d.since.Add(least).Sub(now); left > 0 {
		return fmt.Errorf("%w: %s = %v, possible in %v", drivers.ErrRefused, name, least, left.Round(time.Millisecond))
	}
	return nil
}

func (d *output) setLocked(on bool, now time.Time) error {
	if err := d.line.Set(on); err != nil {
		return err
	}
	if on != d.on {
		d.on, d.since = on, now
		d.changes++
		d.group.movedLocked(d, on, now)
	}
	return nil
}

// readBackLocked compares the pin with what it was set to. Only a push-pull output
// can be expected to win against what is wired to it.
func (d *output) readBackLocked() error {
	if d.opt.Drive != PushPull {
		return nil
	}
	is, err := d.line.Get()
	if err != nil || is == d.on {
		return err
	}
	return fmt.Errorf("set to %s but the line reads %s: a short circuit, or something else drives it",
		d.opt.Class.word(d.on), d.opt.Class.word(is))
}

func (d *output) notify() {
	select {
	case d.wake <- struct{}{}:
	default: // Watch will look anyway
	}
}

// Watch reports the state, keeps max_on and failsafe, and looks every few seconds
// whether the line still has the level it was given.
func (d *output) Watch(ctx context.Context, report drivers.Report) error {
	var reported uint64 // changes when it was reported last
	faulty := false
	for {
		lapse, err := d.enforce()
		if err != nil {
			return err
		}
		d.mu.Lock()
		on, since, changes, due := d.on, d.since, d.changes, d.dueLocked()
		err = d.readBackLocked()
		d.mu.Unlock()
		switch {
		case errors.Is(err, drivers.ErrAbsent):
			return err
		case err != nil && !faulty:
			report(drivers.Reading{}, err)
		case err == nil && (changes != reported || faulty):
			report(drivers.Reading{Channel: "state", Value: d.opt.Class.value(on), Time: since}, nil)
			reported = changes
		}
		faulty = err != nil
		if lapse != nil { // after the reading, so that the device shows it until the next command
			report(drivers.Reading{}, lapse)
		}
		if !wait(ctx, earliest(time.Now().Add(verifyEvery), due), d.wake) {
			return ctx.Err()
		}
	}
}

// dueLocked is when the next timer ends; zero if none runs.
func (d *output) dueLocked() time.Time {
	return earliest(d.maxOnAtLocked(), d.failsafeAtLocked())
}

func (d *output) maxOnAtLocked() time.Time {
	if !d.on || d.opt.MaxOn == 0 {
		return time.Time{}
	}
	return d.since.Add(d.opt.MaxOn)
}

// failsafeAtLocked keeps the minimum times too: a compressor must not be saved from a
// lost controller by what breaks it.
func (d *output) failsafeAtLocked() time.Time {
	f := d.opt.Failsafe
	if f == nil || d.failed || d.failsafeStateLocked() == d.on {
		return time.Time{}
	}
	at, least := d.commanded.Add(f.After), d.opt.MinOn
	if !d.on {
		least = d.opt.MinOff
	}
	if m := d.since.Add(least); m.After(at) {
		return m
	}
	return at
}

func (d *output) failsafeStateLocked() bool {
	on, _ := d.opt.Class.parse([]byte(d.opt.Failsafe.State)) // Check has seen it
	return on
}

// enforce applies the timers that have ended. lapse is what someone should know: an
// output that nobody commands any more is a fault.
func (d *output) enforce() (lapse, err error) {
	defer d.group.lock()()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if at := d.maxOnAtLocked(); !at.IsZero() && !now.Before(at) {
		if err := d.setLocked(false, now); err != nil {
			return nil, err
		}
	}
	if at := d.failsafeAtLocked(); !at.IsZero() && !now.Before(at) {
		if err := d.setLocked(d.failsafeStateLocked(), now); err != nil {
			return nil, err
		}
		d.failed = true
		return fmt.Errorf("failsafe: no command for %v, switched %s", d.opt.Failsafe.After, d.opt.Class.word(d.on)), nil
	}
	return nil, nil
}
