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
)

// Bridge serves one upstream. All methods but Run may be called at any time.
type Bridge struct {
	opt    Options
	log    *slog.Logger
	rules  *ruleSet
	origin string
	urls   []*url.URL
	dial   func(ctx context.Context, u *url.URL) (net.Conn, error)

	// owned by Run
	lanes   lanes
	backoff backoff
	nextURL int

	sent, received, dropped, ignored atomic.Uint64

	mu    sync.Mutex
	state State
	cut   bool
	recut chan struct{} // closed and replaced when cut changes
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
		o.Protocol = "3.1.1"
	}
	if o.Protocol != "3.1.1" && o.Protocol != "5" {
		return nil, fmt.Errorf("protocol %q: have 3.1.1 and 5", o.Protocol)
	}
	if o.Queue == nil || len(o.URLs) == 0 {
		return nil, errors.New("a bridge needs a queue and an upstream")
	}
	rules, err := newRuleSet(o.Rules)
	if err != nil {
		return nil, err
	}
	b := &Bridge{
		opt: o, log: o.Log, rules: rules,
		origin: "bridge/" + o.Name,
		recut:  make(chan struct{}),
		state:  State{Name: o.Name, Since: time.Now()},
	}
	for _, s := range o.URLs {
		u, err := parseURL(s)
		if err != nil {
			return nil, err
		}
		b.urls = append(b.urls, u)
	}
	b.dial = b.dialNet
	return b, nil
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
	for ctx.Err() == nil {
		if !b.waitUncut(ctx) {
			break
		}
		u := b.urls[b.nextURL]
		err := b.serve(ctx, u)
		if ctx.Err() != nil {
			break
		}
		b.disconnected(u, err)
		b.nextURL = (b.nextURL + 1) % len(b.urls)
		b.pause(ctx, b.backoff.next())
	}
	b.setState(func(s *State) { s.Connected, s.Err = false, "" })
	return nil
}

// serve connects to u and serves the connection until it ends.
func (b *Bridge) serve(ctx context.Context, u *url.URL) error {
	b.setState(func(s *State) { s.URL = u.Redacted() })
	l, err := b.connect(ctx, u)
	if err != nil {
		return err
	}
	return l.run(ctx)
}

// pause waits, but not while a cut begins or ends: that is meant to be seen at once.
func (b *Bridge) pause(ctx context.Context, d time.Duration) {
	_, recut := b.isCut()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-recut:
	case <-ctx.Done():
	}
}

// Cut drops the link and stays off, or comes back: for trying out what an outage does.
// The upstream sees a connection that ends without a word.
func (b *Bridge) Cut(cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut != cut {
		b.cut = cut
		close(b.recut)
		b.recut = make(chan struct{})
	}
}

func (b *Bridge) isCut() (bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut, b.recut
}

func (b *Bridge) waitUncut(ctx context.Context) bool {
	for {
		cut, recut := b.isCut()
		if !cut {
			return true
		}
		select {
		case <-recut:
		case <-ctx.Done():
			return false
		}
	}
}

// Status tells how the bridge does.
func (b *Bridge) Status() State {
	b.mu.Lock()
	s := b.state
	b.mu.Unlock()
	q := b.opt.Queue.Stats()
	s.Waiting, s.WaitingBytes, s.Oldest = q.Waiting, q.WaitingBytes, q.Oldest
	s.Sent, s.Received, s.Ignored = b.sent.Load(), b.received.Load(), b.ignored.Load()
	s.Dropped = b.dropped.Load() + q.DroppedFull + q.DroppedAge + q.Damaged
	return s
}

func (b *Bridge) setState(change func(*State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.state)
}

// disconnected notes why there is no connection, and logs it once per reason: an
// upstream that is away for a week must not fill the card with log lines.
func (b *Bridge) disconnected(u *url.URL, err error) {
	text := fmt.Sprintf("upstream %s: %v", u.Redacted(), err)
	var was State
	b.setState(func(s *State) {
		was = *s
		if s.Connected {
			s.Since = time.Now()
		}
		s.Connected, s.Err = false, text
	})
	if was.Connected || was.Err != text {
		waiting := b.opt.Queue.Stats()
		b.log.Warn("upstream away", "err", text, "waiting", waiting.Waiting)
	}
}

func (b *Bridge) connected(u *url.URL) {
	b.backoff.reset()
	b.setState(func(s *State) { s.Connected, s.URL, s.Since, s.Err = true, u.Redacted(), time.Now(), "" })
	b.log.Info("upstream connected", "url", u.Redacted(), "waiting", b.opt.Queue.Stats().Waiting)
}
