package gateway

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/history"
	"sensorgate/internal/web"
)

// figuresEvery is how often the gateway's own figures go into the history.
const figuresEvery = time.Minute

// keeper is the history as a part of the gateway. It is one that may fail: without a
// history, readings go on.
type keeper struct {
	log    *slog.Logger
	store  atomic.Pointer[history.Store] // nil: nothing is kept
	wanted atomic.Pointer[config.History]
	change chan struct{} // has a value when wanted is another
	faults chan error    // panics of the store, in the goroutines of devices
	dir    string        // of the gateway's store; "" is memory
}

func newKeeper(c *config.Config, log *slog.Logger) *keeper {
	k := &keeper{log: log.With("part", "history"), change: make(chan struct{}, 1), faults: make(chan error, 1), dir: c.Data}
	k.wanted.Store(&c.History)
	return k
}

// set takes other options: the store is closed and opened again.
func (k *keeper) set(h config.History) {
	k.wanted.Store(&h)
	select {
	case k.change <- struct{}{}:
	default:
	}
}

// open makes the store ready before devices start, so that the first value is kept.
func (k *keeper) open() error {
	h := k.wanted.Load()
	if !h.Enabled {
		return nil
	}
	o := h.Options
	o.Log, o.Synced = k.log, timeSynced
	if k.dir != "" {
		o.Dir = filepath.Join(k.dir, "history")
	}
	s, err := history.Open(o)
	if err != nil {
		return err
	}
	k.store.Store(s)
	return nil
}

// run keeps the history until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	for {
		if k.store.Load() == nil {
			if err := k.open(); err != nil {
				return err
			}
		}
		if err := k.once(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// once keeps one store until ctx ends or other options are wanted. An error is a panic in
// the store, which is then given up.
func (k *keeper) once(ctx context.Context) (err error) {
	s := k.store.Load()
	if s == nil { // off
		select {
		case <-ctx.Done():
		case <-k.change:
		}
		return nil
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case <-inner.Done():
		case <-k.change:
			stop()
		case err = <-k.faults:
			stop()
		}
	}()
	closing := drivers.Guard(func() error { return s.Run(inner) })
	k.store.Store(nil)
	stop()
	<-changed
	if panicked := (*drivers.PanicError)(nil); errors.As(closing, &panicked) {
		return errors.Join(closing, s.Abandon())
	}
	if closing != nil {
		k.log.Warn("history was not closed in good order", "err", closing)
	}
	return err
}

// add hands a value to the store. A panic in there is none of the device that reported it.
func (k *keeper) add(series string, kind history.Kind, at time.Time, v history.Value) {
	s := k.store.Load()
	if s == nil {
		return
	}
	err := drivers.Guard(func() error { s.Add(series, kind, at, v); return nil })
	if err == nil {
		return
	}
	select {
	case k.faults <- err:
	default: // one is reported already
	}
}

// reading keeps a published value.
func (k *keeper) reading(series string, kind drivers.Kind, r drivers.Reading) {
	n, isNumber := r.Value.Number()
	switch {
	case isNumber && kind == drivers.Total:
		k.add(series, history.Total, r.Time, history.Value{Number: n})
	case isNumber && kind != drivers.State:
		k.add(series, history.Number, r.Time, history.Value{Number: n})
	default:
		k.add(series, history.State, r.Time, history.Value{State: r.Value.String()})
	}
}

// state keeps a change of state: it is what explains a gap.
func (k *keeper) state(series, state string, at time.Time) {
	k.add(series, history.State, at, history.Value{State: state})
}

func (k *keeper) number(series string, kind history.Kind, at time.Time, v float64) {
	k.add(series, kind, at, history.Value{Number: v})
}

// keepFigures puts the gateway's own figures into the history until ctx ends.
func (g *Gateway) keepFigures(ctx context.Context) error {
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		g.lookAtDisk()
		st := g.journal.Stats()
		g.keeper.number("gateway/journal/written_bytes", history.Total, now, float64(st.BytesWritten))
		if n, ok := web.ResidentBytes(); ok {
			g.keeper.number("gateway/memory/resident_bytes", history.Number, now, float64(n))
		}
		g.mu.Lock()
		upstreams := g.upstreams
		g.mu.Unlock()
		for _, u := range upstreams {
			q := u.queue.Stats()
			g.keeper.number(web.SpoolSeries(u.cfg.Name), history.Number, now, float64(q.Waiting))
			g.keeper.number("gateway/upstream/"+u.cfg.Name+"/waiting_bytes", history.Number, now, float64(q.WaitingBytes))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
