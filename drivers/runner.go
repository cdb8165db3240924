package drivers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"slices"
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

// Sink takes what devices produce. Its methods must not block for long, whatever
// becomes of what they take: the gateway's keeps the newest polls and reports up to a
// fixed number, drops the oldest beyond, and counts the readings that it dropped. rs is
// the caller's again when Readings returns.
type Sink interface {
	Readings(rs []Reading)
	Health(device string, h Health)
}

// Runner runs one device: opens it, polls or watches it, opens it again after it
// was lost, and reports every outage once. A device that fails, hangs or panics costs
// nobody else anything.
type Runner struct {
	Config DeviceConfig
	Driver Driver
	Sink   Sink
	Log    *slog.Logger // with the device attached

	// Expect are the channels that must come: one that does not is a fault of its own.
	Expect []Expectation

	news   announcer
	ranges Ranges // of the open device; only its own goroutine reads and writes it

	mu       sync.Mutex
	device   any         // open device, nil while there is none
	abort    func(error) // ends the present open period, nil while there is none
	truth    truth
	counters Counters
	panics   map[string]bool // whose stacks are in the log
}

// Run blocks until ctx ends and the device is closed. It never fails: a device
// that fails stops nothing.
func (r *Runner) Run(ctx context.Context) error {
	r.news.device, r.news.sink, r.news.log, r.news.now = r.Config.Device, r.Sink, r.Log, r.Health
	r.set(Starting, nil)
	backoff := Backoff{After: 1, First: minBackoff, Longest: maxBackoff}
	for ctx.Err() == nil {
		began := time.Now()
		opened, err := r.openPeriod(ctx)
		if ctx.Err() != nil {
			break
		}
		// A device that panics again and again must not be opened again every second.
		if opened && (!isPanic(err) || time.Since(began) > maxBackoff) {
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
	r.mu.Lock()
	r.truth.setDevice(Stopped, "", time.Now())
	r.mu.Unlock()
	r.news.close()
	return ctx.Err()
}

func (r *Runner) open(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer r.watchStuck()()
	var dev any
	err := Guard(func() (err error) {
		dev, err = r.Driver.Open(ctx, r.Config)
		return err
	})
	return dev, err
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
		case errors.Is(err, ErrAbsent), isPanic(err):
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
	var rs []Reading
	began := time.Now()
	err = Guard(func() (err error) {
		rs, err = p.Poll(ctx)
		return err
	})
	r.mu.Lock()
	r.counters.poll(time.Since(began))
	r.mu.Unlock()
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
		r.set(Stuck, fmt.Errorf("its driver has not returned for %v", stuckAfter))
	})
	return func() { t.Stop() }
}

func (r *Runner) report(rd Reading, err error) {
	if err != nil {
		r.fail(err)
		return
	}
	if rd.Channel != "" {
		r.emit([]Reading{rd})
	}
	r.good()
}

// emit hands on what is plausible; the others are faults of their channels. Here, and
// nowhere else, all declared ranges hold for all drivers.
func (r *Runner) emit(rs []Reading) {
	now, news, wrong := time.Now(), false, false
	r.mu.Lock()
	for i := range rs {
		rd := &rs[i]
		rd.Device = r.Config.Device
		if rd.Time.IsZero() {
			rd.Time = now
		}
		if err := r.plausible(rd); err != nil {
			wrong = true
			r.counters.failed(ReasonImplausible)
			r.counters.rejected(err)
			news = r.truth.setChannel(rd.Channel, Failing, err.Error(), now) || news
		} else {
			news = r.truth.setChannel(rd.Channel, OK, "", now) || news
		}
	}
	r.mu.Unlock()
	good := rs
	if wrong { // in a slice of its own: rs is the driver's
		good = slices.DeleteFunc(slices.Clone(rs), func(rd Reading) bool { return r.plausible(&rd) != nil })
	}
	if len(good) > 0 {
		r.Sink.Readings(good)
	}
	if news {
		r.news.news()
	}
}

var errNotFinite = errors.New("the value is no finite number")

func (r *Runner) plausible(rd *Reading) error {
	if !rd.Value.Valid() {
		return errNotFinite
	}
	return r.ranges[rd.Channel].Plausible(rd.Value)
}

// fail notes an error: of single channels if it says so, else of the device.
func (r *Runner) fail(err error) {
	r.logPanic(err)
	faults, all := ChannelFaults(err)
	now, news, fault := time.Now(), false, !all
	r.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		c := Failing
		if errors.Is(faults[name], ErrMissing) {
			c = Missing
		}
		fault = fault || c == Failing
		r.counters.rejected(faults[name])
		news = r.truth.setChannel(name, c, faults[name].Error(), now) || news
	}
	if fault {
		r.counters.failed(reasonOf(err))
	}
	if all { // who knows which channel is wrong has heard from the device
		news = r.truth.setDevice(OK, "", now) || news
	} else {
		news = r.truth.setDevice(stateOf(err), err.Error(), now) || news
	}
	r.mu.Unlock()
	if news {
		r.news.news()
	}
}

func (r *Runner) good() { r.set(OK, nil) }

// set notes the condition of the device itself.
func (r *Runner) set(c Condition, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.mu.Lock()
	news := r.truth.setDevice(c, text, time.Now())
	r.mu.Unlock()
	if news {
		r.news.news()
	}
}

// Health returns the device's present condition.
func (r *Runner) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.truth.health()
}

// Channels returns the present condition of every channel that is expected or was seen.
func (r *Runner) Channels() []ChannelHealth {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.truth.all()
}

// Command hands c to the device and waits for the outcome: nil when done.
// A command that has expired is refused.
func (r *Runner) Command(ctx context.Context, c Command) error {
	r.mu.Lock()
	dev, h := r.device, r.truth.health()
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
	err := Guard(func() error { return cmd.Command(ctx, c) })
	if isPanic(err) {
		r.Break(err) // nobody knows in what state it is
	}
	return err
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
