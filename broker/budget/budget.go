// Package budget counts the bytes that clients make the broker remember, and says when it
// is enough.
//
// A Budget is the whole. An Account is one client's part of it, below the part of its
// user; whoever allocates something for a client charges its account first, and releases
// it when the thing is gone. What does not fit is refused, so that the process is never
// killed for its memory: the caller answers with the code that its protocol has for it.
// A cache asks too, and does without.
//
// The bytes are estimates of what the heap has for a thing; a test next to each estimate
// compares it with the heap. Nothing survives a restart: who restores a thing charges it
// again, with Force, because it was acknowledged in the previous run.
//
// All methods may be called from any goroutine and take no lock but those of Client and
// Close.
package budget

import (
	"sync"
	"sync/atomic"
)

// Kind is what bytes are used for.
type Kind int

// The kinds, in the order in which they are shown.
const (
	Sessions      Kind = iota // what is kept of a client id, with its queues' heads
	Subscriptions             // filters: text and tree nodes
	Retained                  // payload, topic and tree nodes
	Wills                     // of connections, and delayed ones
	Aliases                   // topics that clients have given a number
	Routes                    // remembered routes of topics: a cache
	Buffers                   // what waits to be written, and packets that are not whole yet
	Inflight                  // what is noted of messages until they are acknowledged
	Connections               // sockets, TLS and WebSocket state
	Logins                    // connections whose CONNECT is not accepted yet
	Kinds                     // how many there are
)

var names = [Kinds]string{"sessions", "subscriptions", "retained", "wills", "aliases", "routes", "buffers", "inflight", "connections", "logins"}

// String returns the name as $SYS and the state topic show it.
func (k Kind) String() string { return names[k] }

// Shares of the limit.
const (
	clientShare = 8 // one client: an eighth
	userShare   = 2 // all clients of one user: a half
	cacheShare  = 8 // all routes: an eighth
	loginShare  = 8 // all logins: an eighth
	// spare is the part that only buffers may use, and only the first few bytes of a client:
	// with it those who behave are still served when others have used up all the rest.
	spare = 8
	// little is the part of the limit that the buffers of a client may always have.
	little = 256
)

// Budget is the whole. Use New.
type Budget struct {
	limit    atomic.Int64
	used     atomic.Int64
	kinds    [Kinds]atomic.Int64
	refused  [Kinds]atomic.Uint64
	pressure atomic.Uint64

	mu      sync.Mutex
	clients map[name]*Account
	users   map[string]*Account
}

type name struct{ user, client string }

// New returns a budget of limit bytes.
func New(limit int64) *Budget {
	b := &Budget{clients: map[name]*Account{}, users: map[string]*Account{}}
	b.limit.Store(limit)
	return b
}

// SetLimit changes the limit. What is used beyond a smaller one stays; nothing new fits.
func (b *Budget) SetLimit(limit int64) { b.limit.Store(limit) }

// Limit returns the bytes there are.
func (b *Budget) Limit() int64 { return b.limit.Load() }

// Used returns the bytes that are charged.
func (b *Budget) Used() int64 { return b.used.Load() }

// UsedFor returns the bytes that are charged for a kind.
func (b *Budget) UsedFor(k Kind) int64 { return b.kinds[k].Load() }

// Refused returns how often bytes of a kind were refused.
func (b *Budget) Refused(k Kind) uint64 { return b.refused[k].Load() }

// Pressure moves whenever something that is no cache was refused: caches make room then.
func (b *Budget) Pressure() (n uint64) { return b.pressure.Load() }

// Account is one client's part. The zero value is not usable.
type Account struct {
	b     *Budget
	name  name
	user  *Account // nil: nobody logs in, or it is a user's account, or the broker's own
	share int64    // of the limit, as 1/share; 0: all of it
	used  atomic.Int64
	moves atomic.Int64 // of used: buffers and what is in flight
	held  int          // by sessions and things that outlive them; guarded by Budget.mu
}

// Client returns the account of a client id under a user, "" for nobody; the same one as
// long as somebody holds it. Close it when it is not needed any more.
func (b *Budget) Client(user, client string) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := name{user, client}
	a := b.clients[key]
	if a == nil {
		a = &Account{b: b, name: key, share: clientShare}
		if user != "" {
			if a.user = b.users[user]; a.user == nil {
				a.user = &Account{b: b, name: name{user: user}, share: userShare}
				b.users[user] = a.user
			}
			a.user.held++
		}
		b.clients[key] = a
	}
	a.held++
	return a
}

// Own returns a new account for what belongs to no client. It has no share.
func (b *Budget) Own() *Account { return &Account{b: b, held: 1} }

// Hold counts one more who will Close the account.
func (a *Account) Hold() *Account {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.held++
	return a
}

// Close ends what Client, Own or Hold began. What is still charged stays charged, and may
// be released later.
func (a *Account) Close() {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if a.held--; a.held > 0 {
		return
	}
	if a.b.clients[a.name] == a {
		delete(a.b.clients, a.name)
	}
	if u := a.user; u != nil {
		if u.held--; u.held == 0 {
			delete(a.b.users, u.name.user)
		}
	}
}

// Used returns the bytes that are charged to the account.
func (a *Account) Used() int64 { return a.used.Load() }

// Charge takes n bytes; false, and counted, if they do not fit into the budget, the
// user's share or the client's.
func (a *Account) Charge(k Kind, n int64) bool {
	a.Force(k, n)
	if n <= 0 || a.fits(k) {
		return true
	}
	a.Force(k, -n)
	a.b.refused[k].Add(1)
	if k != Routes {
		a.b.pressure.Add(1)
	}
	return false
}

// Force takes n bytes, or releases -n, whether they fit or not.
func (a *Account) Force(k Kind, n int64) {
	a.used.Add(n)
	if a.user != nil {
		a.user.used.Add(n)
	}
	if k.moves() {
		a.moves.Add(n)
	}
	a.b.used.Add(n)
	a.b.kinds[k].Add(n)
}

// moves reports a kind without which a client cannot be served at all, whatever else it,
// its user or others have: a little of it is there for everybody.
func (k Kind) moves() bool { return k == Buffers || k == Inflight }

// Release returns n bytes.
func (a *Account) Release(k Kind, n int64) { a.Force(k, -n) }

// fits reports whether all that is used, the newest included, is within the limits.
func (a *Account) fits(k Kind) bool {
	b := a.b
	limit := b.limit.Load()
	switch {
	case k == Logins: // short-lived, and nobody could come in where all else is used up
		return b.kinds[k].Load() <= limit/loginShare
	case k.moves() && a.moves.Load() <= limit/little:
		return b.used.Load() <= limit
	case k == Routes && b.kinds[k].Load() > limit/cacheShare:
		return false
	case a.share > 0 && a.used.Load() > limit/a.share:
		return false
	case a.user != nil && a.user.used.Load() > limit/a.user.share:
		return false
	}
	return b.used.Load() <= limit-limit/spare
}
