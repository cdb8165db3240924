package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A part is something that runs until its context ends, and returns only after
// all it started has ended.
type part struct {
	name string
	run  func(context.Context) error
}

// runAll starts the parts in order and, when ctx ends or one of them fails, stops
// them in reverse order, so that what a source still has finds its sink. It waits
// at most grace for each and returns the first failure.
func runAll(ctx context.Context, log *slog.Logger, grace time.Duration, parts ...part) error {
	type ended struct {
		name string
		err  error
	}
	ends := make(chan ended, len(parts))
	stops := make([]context.CancelFunc, len(parts))
	dones := make([]chan struct{}, len(parts))
	for i, p := range parts {
		// Not a child of ctx: the end of ctx starts the stopping, it does not stop all at once.
		partCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		stops[i], dones[i] = stop, make(chan struct{})
		go func() {
			err := p.run(partCtx)
			ends <- ended{p.name, err}
			close(dones[i])
		}()
	}
	var failure error
	select {
	case <-ctx.Done():
	case e := <-ends:
		failure = fmt.Errorf("%s: %w", e.name, errors.Join(e.err))
		if e.err == nil {
			failure = fmt.Errorf("%s ended by itself", e.name)
		}
	}
	for i, p := range slices.Backward(parts) {
		stops[i]()
		select {
		case <-dones[i]:
		case <-time.After(grace):
			log.Warn("does not stop", "part", p.name, "after", grace)
		}
	}
	return failure
}

// group is a part made of members that come and go while it runs, such as devices.
// Members may be started before the group runs; they are stopped with it.
type group struct {
	log *slog.Logger

	mu      sync.Mutex
	members map[string]*member
	wg      sync.WaitGroup
}

type member struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs a member. Its name must be free.
func (g *group) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{cancel: cancel, done: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = map[string]*member{}
	}
	if g.members[name] != nil {
		panic("gateway: " + name + " started twice")
	}
	g.members[name] = m
	g.wg.Go(func() {
		defer close(m.done)
		defer cancel()
		if err := run(ctx); err != nil && ctx.Err() == nil {
			g.log.Error("ended", "part", name, "err", err)
		}
	})
}

// stop ends a member and waits until it has ended.
func (g *group) stop(name string) {
	g.mu.Lock()
	m := g.members[name]
	delete(g.members, name)
	g.mu.Unlock()
	if m != nil {
		m.cancel()
		<-m.done
	}
}

// run is the group as a part: it waits for ctx and then for all members, which it
// stops together.
func (g *group) run(ctx context.Context) error {
	<-ctx.Done()
	g.mu.Lock()
	for _, m := range g.members {
		m.cancel()
	}
	g.members = nil
	g.mu.Unlock()
	g.wg.Wait()
	return nil
}
