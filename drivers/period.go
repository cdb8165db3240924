package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Expectation is a channel that must come, or of which it is said that it has not.
type Expectation struct {
	Channel string
	Every   time.Duration // its interval; the device's where it is 0

	// Listed: a model or the driver lists the channel, and not every such device has it. If
	// it never comes it is Missing, not Failing.
	Listed bool
}

// expectedWithin is how long a channel may take to come at the least.
const expectedWithin = time.Minute

// openPeriod opens the device and works with it until it is lost. opened reports
// whether it got any further than Open.
func (r *Runner) openPeriod(ctx context.Context) (opened bool, err error) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	dev, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	r.began(dev, abort)
	defer r.ended(dev)
	defer r.watchMissing()()
	err = Guard(func() error { return r.work(ctx, dev) })
	if cause := context.Cause(ctx); isPanic(cause) {
		err = cause // a command or a mapper broke it
	}
	return true, err
}

func (r *Runner) work(ctx context.Context, dev any) error {
	r.ranges = RangesOf(r.Driver, r.Config, dev)
	switch d := dev.(type) {
	case Watcher:
		if err := d.Watch(ctx, r.report); err != nil {
			return err
		}
		return errors.New("ended by itself")
	case Poller:
		return r.poll(ctx, d)
	default: // takes commands only
		r.good()
		<-ctx.Done()
		return ctx.Err()
	}
}

func (r *Runner) began(dev any, abort func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.device, r.abort = dev, abort
	r.counters.Opened++
	now := time.Now()
	r.truth.reopened(now)
	for _, e := range r.Expect {
		r.truth.expect(e, now)
	}
}

func (r *Runner) ended(dev any) {
	r.mu.Lock()
	r.device, r.abort = nil, nil
	r.mu.Unlock()
	c, ok := dev.(io.Closer)
	if !ok {
		return
	}
	if err := Guard(c.Close); err != nil {
		r.logPanic(err)
		r.Log.Debug("close", "err", err)
	}
}

// Break ends the present open period with a failure: the device is closed, and opened
// again after a pause. For faults that others find in what the device does; err should
// wrap a PanicError.
func (r *Runner) Break(err error) {
	r.logPanic(err)
	r.mu.Lock()
	abort := r.abort
	r.mu.Unlock()
	if abort != nil {
		abort(err)
	}
}

func isPanic(err error) bool { return errors.As(err, new(*PanicError)) }

// logPanic writes the stack of a panic into the log, once for each.
func (r *Runner) logPanic(err error) {
	var p *PanicError
	if !errors.As(err, &p) {
		return
	}
	kind := kindOf(p.Error())
	r.mu.Lock()
	first := !r.panics[kind]
	if r.panics == nil {
		r.panics = map[string]bool{}
	}
	if len(r.panics) < maxLogged {
		r.panics[kind] = true
	}
	r.mu.Unlock()
	if first {
		r.Log.Error("panic below the device; it alone is opened again", "err", err, "stack", string(p.Stack))
	}
}

// watchMissing reports expected channels that have not come in time, until the returned
// func is called.
func (r *Runner) watchMissing() (stop func()) {
	waits := map[time.Duration][]Expectation{}
	for _, e := range r.Expect {
		every := e.Every
		if every == 0 {
			every = r.Config.Every
		}
		within := max(every, expectedWithin)
		waits[within] = append(waits[within], e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	for within, expected := range waits {
		waiting.Go(func() {
			// Again and again: while the device itself fails, that is the reason.
			for Sleep(ctx, within) {
				r.missing(expected, within)
			}
		})
	}
	return func() { cancel(); waiting.Wait() }
}

func (r *Runner) missing(expected []Expectation, within time.Duration) {
	now, news := time.Now(), false
	r.mu.Lock()
	since := fmt.Sprintf("come for %v since the device was opened", within)
	switch r.truth.device.condition {
	case Starting:
		// Hardware that speaks first may have nothing to say. What is asked should answer.
		if r.Driver.Every > 0 {
			news = r.truth.setDevice(Failing, "nothing has "+since, now)
		}
	case OK:
		for _, e := range expected {
			s := r.truth.channel(e.Channel)
			switch {
			case s == nil || s.condition != Starting:
			case e.Listed:
				news = r.truth.setChannel(e.Channel, Missing, "has not "+since+"; it may not have it", now) || news
			default:
				news = r.truth.setChannel(e.Channel, Failing, "has not "+since, now) || news
			}
		}
	}
	r.mu.Unlock()
	if news {
		r.news.news()
	}
}
