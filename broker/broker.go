package broker

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/broker/poll"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Broker is an MQTT server. All methods may be called from any goroutine.
type Broker struct {
	opt        atomic.Pointer[Options] // a reload changes it
	log        *slog.Logger
	version    string
	memory     *budget.Budget
	own        *budget.Account // of the gateway itself
	verifier   *permissions.Verifier
	waiting    waitingLogins
	longLogins atomic.Int64  // bytes of long CONNECTs whose password waits for its turn
	lingering  atomic.Int32  // connections that were refused and are open for their peers to read why
	parsing    chan struct{} // has room for as many as may take a CONNECT apart at a time
	refusals   refusals
	journal    *journal.Journal
	network    poll.Network
	started    time.Time

	subs        subscriptions
	retained    retainedStore
	count       counters
	onDisk      onDisk
	sys         sysKept
	places      places
	permissions atomic.Pointer[permissions.Permissions]
	idleWorkers chan *worker

	heldMessages heldMessages
	unsure       struct{ sessions, wills atomic.Int64 } // what an earlier run has stamped: sessions without connection that end, delayed wills

	// recordMu orders the records of all publishers and their delivery to connected
	// persistent sessions: one lock for both, or a session could get a newer record before
	// an older one that is already in its queue.
	recordMu sync.Mutex

	ready     chan struct{}
	reloading sync.Mutex    // one reload at a time
	quit      chan struct{} // closed at the end of Run
	failed    chan error    // a listener that stopped by itself
	listeners []*listener   // guarded by mu once Run has begun
	loops     []*loop
	nextLoop  atomic.Uint32

	mu         sync.Mutex
	wills      storedWills
	sessions   map[string]*session
	claims     map[string]*conn // the newest connection that waits for the session of its client id
	persistent int              // of these
	unsettled  unsettled
	conns      map[*conn]struct{}
	spools     map[string]*spool
	running    bool // Run has opened the listeners
	closing    bool
	serving    sync.WaitGroup
	aside      asides
	looping    sync.WaitGroup
}

// limits returns the options that count now.
func (b *Broker) limits() *Options { return b.opt.Load() }

// limitsOf returns the limits of the clients of a listener.
func (b *Broker) limitsOf(l *listener) Limits { return l.settings().Limits.over(&b.limits().Limits) }

// packetLimit is the largest packet that a client of the listener may send.
func (b *Broker) packetLimit(l *listener) int {
	return b.limitsOf(l).MaxPacketSize
}

// boundedExpiry is the expiry of a session whose client asks for one, in seconds: less if
// sessions may have less.
func (b *Broker) boundedExpiry(asked uint32) uint32 {
	return min(asked, uint32(min(b.limits().SessionExpiry/time.Second, mqtt.SessionForever-1)))
}
