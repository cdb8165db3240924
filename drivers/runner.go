package drivers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Timing of the loop around a device.
const (
	openTimeout   = 10 * time.Second
	absentEvery   = time.Second // a look into /dev is free, and who replugs a cable is waiting
	minBackoff    = time.Second
	maxBackoff    = time.Minute
	maxPhase      = 250 * time.Millisecond
	backoffAfter  = 3                // polls that fail in a row before the device is asked less often
	stuckAfter    = 30 * time.Second // a driver that ignores its context this long is reported as stuck
	commandExpiry = 10 * time.Second // how long a command may take unless it expires sooner
)

// Health is a device's condition as it is published on its status topic.
type Health struct {
	State Condition
	Error string    // why, when not OK
	Since time.Time // of the last change of State
}

// Condition of a device.
type Condition string

const (
	Starting Condition = "starting" // never answered yet
	OK       Condition = "ok"
	Failing  Condition = "failing" // there, but wrong or silent
	Absent   Condition = "absent"  // not plugged in
	Stuck    Condition = "stuck"   // its driver does not return
	Stopped  Condition = "stopped"
)

// Sink takes what devices produce. Its methods must not block for long, whatever
// becomes of what they take: the gateway's keeps the newest polls and reports up to a
// fixed number, drops the oldest beyond, and counts the readings that it dropped. rs is
// the caller's again when Readings returns.
type Sink interface {
	Readings(rs []Reading)
	Health(device string, h Health)
}

// Runner runs one device: opens it, polls or watches it, opens it again after it
// was lost, and reports every outage once. A device that fails or hangs costs
// nobody else anything.
type Runner struct {
	Config DeviceConfig
	Driver Driver
	Sink   Sink
	Log    *slog.Logger // with the device attached

	mu     sync.Mutex
	device any // open device, nil while there is none
	health Health
}

// Run blocks until ctx ends and the device is closed. It never fails: a device
// that fails stops nothing.
func (r *Runner) Run(ctx context.Context) error {
	r.setHealth(Starting, nil)
	backoff := Backoff{After: 1, First: minBackoff, Longest: maxBackoff}
	for ctx.Err() == nil {
		opened, err := r.openPeriod(ctx)
		if ctx.Err() != nil {
			break
		}
		if opened {
			backoff.Reset()
		}
		r.fail(err)
		pause := backoff.Failed()
		if errors.Is(err, ErrAbsent) {
			pause = absentEvery
		}
		if !Sleep(ctx, pause) {
			break
		}
	}
	r.setHealth(Stopped, nil)
	return ctx.Err()
}

// openPeriod opens the device and works with it until it is lost. opened reports
// whether it got any further than Open.
func (r *Runner) openPeriod(ctx context.Context) (opened bool, err error) {
	dev, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	r.setDevice(dev)
	defer func() {
		r.setDevice(nil)
		if c, ok := dev.(io.Closer); ok {
			if cerr := c.Close(); cerr != nil {
				r.Log.Debug("close", "err", cerr)
			}
		}
	}()
	switch d := dev.(type) {
	case Watcher:
		err = d.Watch(ctx, r.report)
		if err == nil {
			err = errors.New("ended by itself")
		}
	case Poller:
		err = r.poll(ctx, d)
	default: // takes commands only
		r.good()
		<-ctx.Done()
	}
	return true, err
}

func (r *Runner) open(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer r.watchStuck()()
	return r.Driver.Open(ctx, r.Config)
}

// poll asks the device at its interval until ctx ends or the device is absent.
// After backoffAfter failures in a row the device is asked less and less often, so
// that its time-outs cost its neighbours on the wire little, until it answers.
func (r *Runner) poll(ctx context.Context, p Poller) error {
	every := max(r.Config.Every, time.Millisecond)
	s := Schedule{Every: every, Backoff: Backoff{After: backoffAfter, First: 2 * every, Longest: max(every, maxBackoff)}}
	// Devices that start together must not poll together forever.
	s.StartAt(time.Now().Add(phase(r.Config.Device, min(every, maxPhase))))
	for Sleep(ctx, time.Until(s.Due())) {
		answered, err := r.pollOnce(ctx, p)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrAbsent):
			return err
		case err != nil:
			r.fail(err)
		}
		if err != nil && !answered {
			s.Failed(time.Now())
		} else { // when only some channels failed, the device is there
			s.Answered(time.Now())
		}
	}
	return ctx.Err()
}

// pollOnce asks once; answered reports whether there was at least one reading.
func (r *Runner) pollOnce(ctx context.Context, p Poller) (answered bool, err error) {
	timeout := max(min(r.Config.Every, stuckAfter), 5*time.Second) // slow chips need seconds even when asked often
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer r.watchStuck()()
	rs, err := p.Poll(ctx)
	if len(rs) > 0 {
		r.emit(rs)
	}
	if err == nil {
		r.good()
	}
	return len(rs) > 0, err
}

// watchStuck reports the device as stuck if the returned func is not called in
// time. A goroutine that ignores its context cannot be ended, only reported.
func (r *Runner) watchStuck() (done func()) {
	t := time.AfterFunc(stuckAfter, func() {
		if r.setHealth(Stuck, fmt.Errorf("its driver has not returned for %v", stuckAfter)) {
			r.Log.Error("device stuck", "after", stuckAfter)
		}
	})
	return func() { t.Stop() }
}

func (r *Runner) report(rd Reading, err error) {
	if err != nil {
		r.fail(err)
		return
	}
	r.emit([]Reading{rd})
	r.good()
}

func (r *Runner) emit(rs []Reading) {
	for i := range rs {
		rs[i].Device = r.Config.Device
		if rs[i].Time.IsZero() {
			rs[i].Time = time.Now()
		}
	}
	r.Sink.Readings(rs)
}

// fail notes an error. It is logged once per outage: a pulled cable at 10 Hz must
// not fill the SD card.
func (r *Runner) fail(err error) {
	state := Failing
	if errors.Is(err, ErrAbsent) {
		state = Absent
	}
	if r.setHealth(state, err) {
		r.Log.Warn("device "+string(state), "err", err)
	} else {
		r.Log.Debug("device still "+string(state), "err", err)
	}
}

func (r *Runner) good() {
	was := r.Health().State
	if r.setHealth(OK, nil) && was != Starting {
		r.Log.Info("device back", "was", was)
	}
}

// setHealth reports whether the state changed, and if so calls the sink.
func (r *Runner) setHealth(s Condition, err error) bool {
	r.mu.Lock()
	if r.health.State == s {
		r.mu.Unlock()
		return false
	}
	h := Health{State: s, Since: time.Now()}
	if err != nil {
		h.Error = err.Error()
	}
	r.health = h
	r.mu.Unlock()
	r.Sink.Health(r.Config.Device, h)
	return true
}

// Health returns the device's present condition.
func (r *Runner) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.health.State == "" { // Run has not begun
		return Health{State: Starting}
	}
	return r.health
}

func (r *Runner) setDevice(d any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.device = d
}

// Command hands c to the device and waits for the outcome: nil when done.
// A command that has expired is refused.
func (r *Runner) Command(ctx context.Context, c Command) error {
	r.mu.Lock()
	dev := r.device
	h := r.health
	r.mu.Unlock()
	if !c.Expires.IsZero() && !time.Now().Before(c.Expires) {
		return fmt.Errorf("%w: expired %v ago", ErrRefused, time.Since(c.Expires).Round(time.Millisecond))
	}
	if dev == nil {
		return fmt.Errorf("%w: device is %s: %s", ErrNoAnswer, h.State, h.Error)
	}
	cmd, ok := dev.(Commander)
	if !ok {
		return ErrNoCommands
	}
	ctx, cancel := context.WithTimeout(ctx, commandExpiry)
	defer cancel()
	if !c.Expires.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, c.Expires)
		defer cancel()
	}
	return cmd.Command(ctx, c)
}

// phase spreads devices over an interval, the same way at every start.
func phase(device string, over time.Duration) time.Duration {
	h := fnv.New32a()
	io.WriteString(h, device)
	return time.Duration(h.Sum32()) % max(over, 1)
}

// Sleep waits for d, which a device needs or a schedule asks for, and reports whether ctx
// is still alive.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
