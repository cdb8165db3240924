package broker

import (
	"context"
	"errors"
	"net"
	"runtime"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// New checks the options and reads the files they name. It starts nothing.
func New(o Options) (*Broker, error) {
	if o.Journal == nil {
		return nil, errors.New("broker: no journal given")
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	b := &Broker{
		log:      o.Log,
		journal:  o.Journal,
		network:  o.Network,
		version:  o.Version,
		started:  time.Now(),
		verifier: permissions.NewVerifier(),
		ready:    make(chan struct{}),
		failed:   make(chan error, 1),
		quit:     make(chan struct{}),
		sessions: map[string]*session{},
		claims:   map[string]*conn{},
		conns:    map[*conn]struct{}{},
		places:   newPlaces(),
		spools:   map[string]*spool{},
	}
	b.opt.Store(&o)
	b.memory = budget.New(o.Memory)
	b.own = b.memory.Own()
	b.retained.own, b.retained.ageOf = b.own, b.ageOf
	b.onDisk.size = b.journal.Size()
	b.retained.room = b.onDisk.size / 8
	b.waiting.account = b.memory.Own()
	b.parsing = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	b.idleWorkers = make(chan *worker, maxIdleWorkers)
	allowed, err := permissions.Load(o.Passwords, o.ACL)
	if err != nil {
		return nil, err
	}
	b.permissions.Store(allowed)
	for _, l := range o.Listeners {
		lis, err := newListener(l)
		if err == nil {
			err = lis.check(&o)
		}
		if err != nil {
			return nil, err
		}
		b.listeners = append(b.listeners, lis)
	}
	b.restoreRetained()
	if err := b.restoreSessions(); err != nil {
		return nil, err
	}
	return b, nil
}

// Run listens and serves until ctx ends, and returns when all connections are closed.
// A listener that cannot start, or stops by itself, ends it with an error; but see
// Options.Patient.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := b.listenAll(ctx); err != nil {
		b.closeListeners()
		return err
	}
	if err := b.startLoops(); err != nil {
		b.closeListeners()
		return err
	}
	b.restoreWills()
	b.mu.Lock()
	b.running = true
	for _, l := range b.listeners {
		if l.why() == nil {
			b.startLocked(l)
		}
	}
	b.mu.Unlock()
	b.serving.Go(func() { b.report(ctx) })
	b.serving.Go(func() { b.awaitListeners(ctx) })
	close(b.ready)
	var err error
	select {
	case <-ctx.Done():
	case err = <-b.failed:
	}
	cancel()
	b.shutdown()
	for _, l := range b.loops {
		l.close()
	}
	b.looping.Wait()
	return err
}

// startLoops starts one event loop per two processors: the other half is for what feeds
// them. More make no single client faster.
func (b *Broker) startLoops() error {
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		l, err := newLoop(b)
		if err != nil {
			return err
		}
		b.loops = append(b.loops, l)
	}
	for _, l := range b.loops {
		b.looping.Add(1)
		go func() {
			defer b.looping.Done()
			if err := l.run(); err != nil {
				// epoll_wait fails only if the program has closed its descriptor.
				panic(err)
			}
		}()
	}
	return nil
}

// shutdown closes listeners first, then connections, and waits for all of them.
func (b *Broker) shutdown() {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	close(b.quit)
	b.closeListeners()
	b.mu.Lock()
	for c := range b.conns {
		if c.session != nil { // else it finds us closing when it asks for one
			c.stop(mqtt.ServerShuttingDown)
		}
	}
	b.mu.Unlock()
	b.serving.Wait()
	b.stopTimers()
}

func (b *Broker) closeListeners() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		l.close()
	}
}

// Ready is closed when the broker works and all listeners accept, or were tried at least
// once with Options.Patient.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addrs returns where the listeners listen, in their order, after Ready. Those that are
// not open are left out: NotListening has them.
func (b *Broker) Addrs() []net.Addr {
	<-b.ready
	b.mu.Lock()
	defer b.mu.Unlock()
	addrs := make([]net.Addr, 0, len(b.listeners))
	for _, l := range b.listeners {
		if a := l.addr(); a != nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
