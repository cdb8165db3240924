package permissions

import (
	"maps"
	"slices"
	"time"
)

// turns decides whose password is verified next. Pairs of user and password that were
// right before come first. The others take turns: address by address, and within an
// address user by user, so that a flood delays its own kind; addresses with many failures
// share one of the two places: a processor is left for the others, and for the event loops.
//
// A user at one address who is wrong again and again is still verified as fast as it goes,
// for a while: the right password may be among the wrong ones, and nobody knows before it
// was looked at. As many may wait as are through in time. Beyond fastGuesses of them, one password a
// second is looked at. Everything is bounded: what finds no room is refused.
//
// It is a value without locks or goroutines; Verifier holds its mutex around every call.
type turns struct {
	preferred []*waiter
	addresses []*addressTurns // in the order of their turns
	pending   int             // in addresses
	failures  map[origin]*failures
	hash      time.Duration // what one takes, about
	suspects  int           // of those that are verified: from addresses with many failures
}

// origin is where attempts come from; with user "" it stands for a whole address.
type origin struct{ from, user string }

type addressTurns struct {
	from    string
	users   []*userTurns // in the order of their turns
	pending int
	running int
}

type userTurns struct {
	user    string
	waiting []*waiter
}

// waiter is an attempt that waits for its turn.
type waiter struct {
	a         *Attempt
	preferred bool
	turn      chan bool // has room for one: true for a turn, false for none
}

type failures struct {
	count int
	last  time.Time
}

const (
	maxPending   = 512 // attempts that wait, of all addresses
	maxPreferred = 1024
	minPending   = 4

	// What waits at one address is through within waitAddress, of one user within waitUser, so
	// that the last one is answered within two seconds.
	waitAddress = 1700 * time.Millisecond
	waitUser    = 1400 * time.Millisecond
	firstHash   = 50 * time.Millisecond // is assumed to take so long

	backoff       = time.Second // between two of a user at an address, beyond fastGuesses
	fastGuesses   = 3000        // failures of a user at an address; one is forgiven every backoff
	suspectAfter  = 10          // failures of an address
	forgiveAfter  = time.Minute // without another failure
	maxFailureLog = 4096
)

func newTurns() turns { return turns{failures: map[origin]*failures{}, hash: firstHash} }

// measured notes what a hash took.
func (t *turns) measured(d time.Duration) { t.hash += (d - t.hash) / 8 }

// room is how many may wait that have to be through within d.
func (t *turns) room(d time.Duration) int {
	return min(max(minPending, int(d/max(t.hash, time.Millisecond))), maxPending/4)
}

// add queues w, and reports false if it finds no room.
func (t *turns) add(w *waiter, preferred bool) bool {
	if w.preferred = preferred; preferred {
		if len(t.preferred) >= maxPreferred {
			return false
		}
		t.preferred = append(t.preferred, w)
		return true
	}
	a := t.address(w.a.From)
	u := a.user(w.a.User)
	if len(u.waiting) >= t.roomOf(origin{w.a.From, w.a.User}, time.Now()) ||
		a.pending >= t.room(waitAddress) && !t.evict(a, u, len(u.waiting)+1) ||
		t.pending >= maxPending && !t.evictFor(a) {
		t.tidy(a, u)
		return false
	}
	u.waiting = append(u.waiting, w)
	a.pending++
	t.pending++
	return true
}

func (t *turns) address(from string) *addressTurns {
	for _, a := range t.addresses {
		if a.from == from {
			return a
		}
	}
	a := &addressTurns{from: from}
	t.addresses = append(t.addresses, a)
	return a
}

func (a *addressTurns) user(name string) *userTurns {
	for _, u := range a.users {
		if u.user == name {
			return u
		}
	}
	u := &userTurns{user: name}
	a.users = append(a.users, u)
	return u
}

// evictFor refuses the newest attempt of the address with the most, if a has fewer.
func (t *turns) evictFor(a *addressTurns) bool {
	most := a
	for _, other := range t.addresses {
		if other.pending > most.pending {
			most = other
		}
	}
	return most.pending > a.pending+1 && t.evict(most, nil, 0)
}

// evict refuses the newest attempt at an address of the user with the most, but for one user,
// if it has more than that.
func (t *turns) evict(a *addressTurns, but *userTurns, than int) bool {
	var most *userTurns
	for _, u := range a.users {
		if u != but && (most == nil || len(u.waiting) > len(most.waiting)) {
			most = u
		}
	}
	if most == nil || len(most.waiting) <= than {
		return false
	}
	w := most.waiting[len(most.waiting)-1]
	t.take(a, most, len(most.waiting)-1)
	w.turn <- false
	return true
}

// roomOf is how many attempts of a user at an address may wait.
func (t *turns) roomOf(who origin, now time.Time) int {
	if t.count(who, now) >= fastGuesses {
		return 1
	}
	return t.room(waitUser)
}

// take takes a waiting attempt out.
func (t *turns) take(a *addressTurns, u *userTurns, i int) *waiter {
	w := u.waiting[i]
	u.waiting = slices.Delete(u.waiting, i, i+1)
	a.pending--
	t.pending--
	t.tidy(a, u)
	return w
}

// tidy forgets users and addresses that have nothing here.
func (t *turns) tidy(a *addressTurns, u *userTurns) {
	if len(u.waiting) == 0 {
		a.users = slices.DeleteFunc(a.users, func(x *userTurns) bool { return x == u })
	}
	if a.pending == 0 && a.running == 0 {
		t.addresses = slices.DeleteFunc(t.addresses, func(x *addressTurns) bool { return x == a })
	}
}

// remove takes w out because it does not wait any more; false if it has its answer.
func (t *turns) remove(w *waiter) bool {
	if i := slices.Index(t.preferred, w); i >= 0 {
		t.preferred = slices.Delete(t.preferred, i, i+1)
		return true
	}
	for _, a := range t.addresses {
		for _, u := range a.users {
			if i := slices.Index(u.waiting, w); i >= 0 {
				t.take(a, u, i)
				return true
			}
		}
	}
	return false
}

// next takes out the attempt whose turn it is. With nil, at is when there may be one;
// zero for not before something changes.
func (t *turns) next(now time.Time) (w *waiter, at time.Time) {
	if len(t.preferred) > 0 {
		w = t.preferred[0]
		t.preferred = slices.Delete(t.preferred, 0, 1)
		t.address(w.a.From).running++
		return w, time.Time{}
	}
	for i, a := range t.addresses {
		suspect := t.count(origin{from: a.from}, now) >= suspectAfter
		if suspect && t.suspects > 0 {
			continue
		}
		for k, u := range a.users {
			ready := t.readyAt(origin{a.from, u.user}, now)
			if ready.After(now) {
				if at.IsZero() || ready.Before(at) {
					at = ready
				}
				continue
			}
			// To the end of both lines.
			t.addresses = append(slices.Delete(t.addresses, i, i+1), a)
			a.users = append(slices.Delete(a.users, k, k+1), u)
			a.running++
			w := t.take(a, u, 0)
			if w.a.suspect = suspect; suspect {
				t.suspects++
			}
			return w, time.Time{}
		}
	}
	return nil, at
}

// ended notes how an attempt that had its turn came out.
func (t *turns) ended(a *Attempt, right bool, now time.Time) {
	at := t.address(a.From)
	at.running--
	if a.suspect {
		t.suspects--
	}
	t.tidy(at, &userTurns{})
	who := origin{a.From, a.User}
	if right {
		delete(t.failures, who)
		return
	}
	t.failed(who, now)
	t.failed(origin{from: a.From}, now)
}

func (t *turns) failed(who origin, now time.Time) {
	f := t.failures[who]
	if f == nil {
		if len(t.failures) >= maxFailureLog {
			maps.DeleteFunc(t.failures, func(_ origin, f *failures) bool { return f.count < suspectAfter || now.Sub(f.last) > forgiveAfter })
		}
		if len(t.failures) >= maxFailureLog {
			return // the fair turns are left
		}
		f = &failures{}
		t.failures[who] = f
	}
	f.count = t.count(who, now) + 1
	f.last = now
}

// count is how many failures are not forgiven yet.
func (t *turns) count(who origin, now time.Time) int {
	f := t.failures[who]
	if f == nil || now.Sub(f.last) > forgiveAfter && f.count < fastGuesses/2 {
		return 0
	}
	return max(0, f.count-int(now.Sub(f.last)/backoff))
}

// readyAt is when the next attempt of a user at an address may be verified.
func (t *turns) readyAt(who origin, now time.Time) time.Time {
	if t.count(who, now) < fastGuesses {
		return now
	}
	return t.failures[who].last.Add(backoff)
}
