package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Expectation is a channel that must come.
type Expectation struct {
	Channel string
	Every   time.Duration // its interval; the device's where it is 0
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
		r.truth.expect(e.Channel, now)
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

// watchMissing reports expected channels that have not come in time as faults, until the
// returned func is called.
func (r *Runner) watchMissing() (stop func()) {
	waits := map[time.Duration][]string{}
	for _, e := range r.Expect {
		every := e.Every
		if every == 0 {
			every = r.Config.Every
		}
		within := max(every, expectedWithin)
		waits[within] = append(waits[within], e.Channel)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	for within, channels := range waits {
		waiting.Go(func() {
			// Again and again: while the device itself fails, that is the reason.
			for Sleep(ctx, within) {
				r.missing(channels, within)
			}
		})
	}
	return func() { cancel(); waiting.Wait() }
}

func (r *Runner) missing(channels []string, within time.Duration) {
	now, news := time.Now(), false
	r.mu.Lock()
	if r.truth.device.condition == OK {
		for _, name := range channels {
			if s := r.truth.channel(name); s != nil && s.condition == Starting {
				news = r.truth.setChannel(name, Failing, fmt.Sprintf("has not come for %v since the device was opened", within), now) || news
			}
		}
	}
	r.mu.Unlock()
	if news {
		r.news.news()
	}
}
