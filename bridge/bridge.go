package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Bridge serves one upstream. All methods but Run may be called at any time.
type Bridge struct {
	opt    Options
	log    *slog.Logger
	rules  *ruleSet
	origin string
	urls   []*url.URL
	dial   func(ctx context.Context, u *url.URL) (net.Conn, error)
	quiet  time.Duration // how long a connection may be dead unnoticed

	// What each message would have made anew: the topic of the status at the upstream, and user
	// properties of MQTT 5, encoded.
	status                  string
	idProperty, viaProperty []byte

	// owned by Run
	streams      streams
	retainedLive retainedLive
	seenRing     *echoes // messages of other bridges that passed
	backoff      backoff
	exactly      exactTrial
	levels       levels
	brokenAt     time.Time // when the last connection ended without goodbye
	returns      int       // to the first upstream, without success

	// packets numbers on where the last connection ended: what is said late about a packet
	// identifier must not meet a new message.
	packets uint64

	// owned by the reader of the connection
	refusedSeq journal.Seq
	refusals   int

	ledger     *ledger
	gaps       *gaps
	clock      *clock
	sentEchoes *echoes // messages that may come back
	newest     *newest

	sent, received, ignored, connects atomic.Uint64
	inFlight                          atomic.Int64

	mu             sync.Mutex
	state          State
	will           willLimits
	warned         map[string]time.Time
	lost           map[string]uint64 // what the spool did not lose itself, by why
	offline        bool
	offlineChanged chan struct{} // closed and replaced when offline changes
}

// New checks the options and builds a Bridge. It opens nothing.
func New(o Options) (*Bridge, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 60 * time.Second
	}
	if o.Protocol == "" {
		o.Protocol = ProtocolAuto
	}
	if o.Protocol != Protocol311 && o.Protocol != Protocol5 && o.Protocol != ProtocolAuto {
		return nil, fmt.Errorf("protocol %q: have auto, 3.1.1 and 5", o.Protocol)
	}
	if o.Queue == nil || len(o.URLs) == 0 {
		return nil, errors.New("a bridge needs a queue and an upstream")
	}
	rules, err := newRuleSet(o.Rules)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	b := &Bridge{
		opt: o, log: o.Log, rules: rules,
		origin:      "bridge/" + o.Name,
		status:      o.Prefix + o.Status.Topic,
		idProperty:  mqtt.AppendUserProperty(nil, propID, []byte(o.Node)),
		viaProperty: mqtt.AppendUserProperty(nil, propVia, []byte(o.Node)),
		seenRing:    newEchoes(), sentEchoes: newEchoes(), newest: newNewest(),
		retainedLive:   newRetainedLive(o.Store, o.Name),
		gaps:           newGaps(o.Store, o.Name),
		clock:          newClock(o.TimeSynced, o.Queue.Last(), now.Round(0), now),
		offlineChanged: make(chan struct{}),
		warned:         make(map[string]time.Time),
		lost:           make(map[string]uint64),
		state:          State{Name: o.Name, Since: now},
	}
	for _, s := range o.URLs {
		u, err := parseURL(s)
		if err != nil {
			return nil, err
		}
		b.urls = append(b.urls, u)
	}
	if b.dial = o.Dial; b.dial == nil {
		b.dial = b.dialNet
	}
	b.levels = newLevels(&b.opt)
	b.quiet = min(o.KeepAlive*3/2, silenceMax)
	return b, b.openLedger()
}

// openLedger reads what is known of QoS 2 messages that were on their way when the
// process ended. One that cannot be read costs duplicates, not the start.
func (b *Bridge) openLedger() (err error) {
	store := b.opt.Store
	if !b.rules.keepSession() {
		store = nil
	}
	if b.ledger, err = newLedger(store, b.opt.Name); err != nil {
		b.log.Error("journal entry", "err", err)
	}
	b.ledger.disk = b.opt.Store
	if q := b.opt.Inbound; q != nil {
		if err := b.ledger.restore(q); err != nil {
			return err
		}
		if store == nil { // the upstream keeps no session: an id means nothing on the next connection
			if seqs := b.ledger.lostSession(); len(seqs) > 0 {
				q.Ack(seqs...)
			}
			b.opt.Inbound = nil
		}
	}
	b.packets = uint64(b.ledger.newest())
	return nil
}

// Filters lists the local topics that the bridge sends: what our broker must put into
// the spool.
func (b *Bridge) Filters() []string {
	var filters []string
	for i := range b.rules.out {
		filters = append(filters, b.rules.out[i].rename.Filter())
	}
	return filters
}

// Run keeps the upstream connected until ctx ends. It returns nil: an upstream that is
// away is no reason to stop.
func (b *Bridge) Run(ctx context.Context) error {
	for ctx.Err() == nil && b.waitOnline(ctx) {
		b.round(ctx)
	}
	b.gaps.save(time.Now().Add(gapSave))
	b.setState(func(s *State) { s.Connected, s.Err = false, "" })
	return nil
}

// round tries the upstreams in order until one connection was served, then waits. The
// next round begins with the first again.
func (b *Bridge) round(ctx context.Context) {
	for i, u := range b.urls {
		served, err := b.serve(ctx, i)
		if ctx.Err() != nil || errors.Is(err, errReturn) {
			return
		}
		if errors.Is(err, errOffline) {
			b.disconnected(u, err)
			return
		}
		wait := backoffMin // from one URL to the next
		if served > 0 || i == len(b.urls)-1 {
			wait = b.backoff.next(err, served)
		}
		b.disconnected(u, err)
		b.pause(ctx, wait)
		if served > 0 || ctx.Err() != nil {
			return
		}
	}
}

// serve connects to the URL with the number i and serves the connection until it ends.
// served is how long it stood.
func (b *Bridge) serve(ctx context.Context, i int) (served time.Duration, err error) {
	u := b.urls[i]
	b.setState(func(s *State) { s.URL = u.Redacted() })
	c, err := b.connect(ctx, u)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = c.run(ctx, i)
	b.exactly.ended(c, err)
	b.brokenAt = time.Time{}
	if !errors.Is(err, errReturn) {
		b.brokenAt = time.Now()
	}
	return max(1, time.Since(start)), err
}

// pause waits, but not while the bridge is taken offline or back: that is meant to be seen at once.
func (b *Bridge) pause(ctx context.Context, d time.Duration) {
	_, offlineChanged := b.isOffline()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-offlineChanged:
	case <-ctx.Done():
	}
}

// SetOffline drops the connection and stays off, or comes back: for trying out what an outage does.
// The upstream sees a connection that ends without a word.
func (b *Bridge) SetOffline(offline bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.offline != offline {
		b.offline = offline
		close(b.offlineChanged)
		b.offlineChanged = make(chan struct{})
	}
}

func (b *Bridge) isOffline() (bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.offline, b.offlineChanged
}

func (b *Bridge) waitOnline(ctx context.Context) bool {
	for {
		offline, offlineChanged := b.isOffline()
		if !offline {
			return true
		}
		select {
		case <-offlineChanged:
		case <-ctx.Done():
			return false
		}
	}
}
