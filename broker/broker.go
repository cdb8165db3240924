package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Options of a broker. Journal must be given; one opened without a directory keeps
// everything in memory.
type Options struct {
	Listeners []Listener
	Passwords string // file, "" for none
	ACL       string // file, "" for none

	MaxClients    int   // connections at a time; default 10,000
	MaxPacketSize int   // bytes; default 2,000,000
	MaxQueued     int64 // bytes that wait for one persistent session; default: the journal's size

	// MaxKeepAlive bounds how long a silent client is believed to be there; 0: no bound.
	// A client of MQTT 5 is told, one of 3.1.1 that asks for more, or for none, is refused.
	MaxKeepAlive time.Duration

	Journal *journal.Journal
	Log     *slog.Logger
	Version string // shown in $SYS
}

// Broker is an MQTT server. All methods may be called from any goroutine.
type Broker struct {
	opt     atomic.Pointer[Options] // a reload changes it
	log     *slog.Logger
	version string
	auth    *authenticator
	waiting waitingRoom
	journal *journal.Journal
	started time.Time

	subs     subscriptions
	retained retainedStore
	count    counters
	rights   atomic.Pointer[rights]
	workers  sync.Pool

	// durable orders the records of all publishers and their delivery to connected
	// persistent sessions: one lock for both, or a session could be given a newer record
	// before an older one that is already in its queue.
	durable sync.Mutex

	ready     chan struct{}
	listeners []*listener
	loops     []*loop
	nextLoop  atomic.Uint32

	mu       sync.Mutex
	sessions map[string]*session
	conns    map[*conn]struct{}
	perHost  map[string]int // connections per address
	spools   map[string]*spool
	closing  bool
	serving  sync.WaitGroup
	looping  sync.WaitGroup
}

const (
	defaultMaxClients = 10_000
	defaultMaxPacket  = 2_000_000
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
		version:  o.Version,
		started:  time.Now(),
		auth:     newAuthenticator(),
		ready:    make(chan struct{}),
		sessions: map[string]*session{},
		conns:    map[*conn]struct{}{},
		perHost:  map[string]int{},
		spools:   map[string]*spool{},
	}
	b.opt.Store(&o)
	b.workers.New = func() any { return newWorker(b) }
	rights, err := loadRights(&o)
	if err != nil {
		return nil, err
	}
	b.rights.Store(rights)
	for _, l := range o.Listeners {
		lis, err := newListener(l)
		if err == nil {
			err = lis.check(o.Passwords)
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

// fill puts the defaults in.
func (o *Options) fill() error {
	if o.MaxClients == 0 {
		o.MaxClients = defaultMaxClients
	}
	if o.MaxPacketSize == 0 {
		o.MaxPacketSize = defaultMaxPacket
	}
	if o.MaxPacketSize > mqtt.MaxRemaining {
		return fmt.Errorf("broker: max packet size %d is more than MQTT can say (%d)", o.MaxPacketSize, mqtt.MaxRemaining)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// limits gives the options that count now.
func (b *Broker) limits() *Options { return b.opt.Load() }

// packetLimit is the largest packet that a client of the listener may send.
func (b *Broker) packetLimit(l *listener) int {
	if l.MaxPacketSize > 0 {
		return l.MaxPacketSize
	}
	return b.limits().MaxPacketSize
}

// Run listens and serves until ctx ends, and returns when all connections are closed.
// A listener that cannot start, or stops by itself, ends it with an error.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, l := range b.listeners {
		if err := l.listen(ctx); err != nil {
			b.closeListeners()
			return err
		}
	}
	if err := b.startLoops(); err != nil {
		b.closeListeners()
		return err
	}
	failed := make(chan error, len(b.listeners))
	for _, l := range b.listeners {
		b.serving.Add(1)
		go func() {
			defer b.serving.Done()
			failed <- b.accept(ctx, l)
		}()
	}
	b.serving.Add(1)
	go func() {
		defer b.serving.Done()
		b.tell(ctx)
	}()
	close(b.ready)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
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
	for _, l := range b.listeners {
		l.close()
	}
}

// Ready is closed when all listeners accept.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addrs gives where the listeners listen, in their order, after Ready.
func (b *Broker) Addrs() []net.Addr {
	<-b.ready
	addrs := make([]net.Addr, len(b.listeners))
	for i, l := range b.listeners {
		addrs[i] = l.addr()
	}
	return addrs
}
