package permissions

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/broker/passwd"
)

// Verifier checks passwords; any goroutine may use it. A hash costs tens of milliseconds
// and 19 MB, so only two are worked out at a time, and what was right is remembered for a
// while: otherwise a whole site that reconnects after a power cut would wait for its own
// logins. Who waits for a turn waits in a bounded queue that is fair between addresses
// and users, see turns; who does not get one is told that we are busy, never that the
// password is wrong.
type Verifier struct {
	verify func(hash string, password []byte) bool // passwd.Verify
	key    []byte                                  // of the remembered digests; new with every start

	pausing atomic.Int32

	mu      sync.Mutex
	right   map[digest]time.Time // pairs of hash and password that were right, and when last
	wrong   map[digest]time.Time // that were not: a device with an old password costs one hash
	running int
	turns   turns
}

type digest [sha256.Size]byte

const (
	hashesAtATime = 2
	rememberFor   = 5 * time.Minute // without another hash
	preferFor     = 24 * time.Hour  // ahead of others
	maxRemembered = 4096

	busyPause  = time.Second
	maxPausing = 256 // answers; those beyond come at once

	// MaxPassword is the longest password, in bytes, that is looked at. Nobody types one
	// that is longer, and the hash would take time for every byte.
	MaxPassword = 1024
)

// NewVerifier returns a Verifier that remembers nothing yet.
func NewVerifier() *Verifier {
	v := &Verifier{verify: passwd.Verify, key: make([]byte, 32), right: map[digest]time.Time{}, wrong: map[digest]time.Time{}, turns: newTurns()}
	_, _ = rand.Read(v.key) // never fails: crypto/rand
	return v
}

// Attempt is one login.
type Attempt struct {
	User     string
	Hash     string // the user's line of the password file; "" for a user that does not exist
	Password []byte
	From     string // address without port; attempts from one address share its turns

	suspect bool // turns has counted it as one of an address with many failures
}

// Verdict is the outcome of an Attempt.
type Verdict int

// The verdicts. After Busy nothing is known of the password.
const (
	Wrong Verdict = iota
	Right
	Busy
)

// noHash is checked for users that do not exist, so that they take as long to refuse as
// those that do.
var noHash = sync.OnceValue(func() string { return passwd.Hash([]byte("nobody")) })

// Check returns whether the password is the user's. It waits for its turn until ctx ends;
// Busy when it did not get one.
func (v *Verifier) Check(ctx context.Context, a Attempt) Verdict {
	exists := a.Hash != ""
	if len(a.Password) > MaxPassword || !exists && len(a.User) > MaxPassword {
		return Wrong // such a name is of no use to an operator, and failures are remembered by name
	}
	if !exists {
		a.Hash = noHash()
	}
	sum := v.digest(a.Hash, a.Password)
	ago, refused := v.remembered(sum)
	switch {
	case ago < rememberFor:
		return Right
	case refused:
		return Wrong
	}
	if !v.turn(ctx, &a, ago < preferFor) {
		v.pause(ctx)
		return Busy
	}
	begin := time.Now()
	right := v.verify(a.Hash, a.Password) && exists
	v.release(&a, right, sum, time.Since(begin))
	if right {
		return Right
	}
	return Wrong
}

func (v *Verifier) digest(hash string, password []byte) digest {
	mac := hmac.New(sha256.New, v.key)
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write(password)
	return digest(mac.Sum(nil))
}

// remembered returns how long ago the pair was right, longer than preferFor if never, and
// whether it was wrong not long ago.
func (v *Verifier) remembered(sum digest) (ago time.Duration, wrong bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at, ok := v.right[sum]; ok {
		return time.Since(at), false
	}
	at, ok := v.wrong[sum]
	return preferFor + 1, ok && time.Since(at) < rememberFor
}

// turn waits until the attempt may be verified.
func (v *Verifier) turn(ctx context.Context, a *Attempt, preferred bool) bool {
	w := &waiter{a: a, turn: make(chan bool, 1)}
	v.mu.Lock()
	if !v.turns.add(w, preferred) {
		v.mu.Unlock()
		return false
	}
	v.startLocked()
	v.mu.Unlock()
	select {
	case ok := <-w.turn:
		return ok
	case <-ctx.Done():
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.turns.remove(w) {
		return false
	}
	return <-w.turn // it was given meanwhile
}

// pause holds the answer back that there was no turn. Who floods us asks again at once, and
// whoever asks more often gets more of the turns.
func (v *Verifier) pause(ctx context.Context) {
	if v.pausing.Add(1) <= maxPausing {
		timer := time.NewTimer(busyPause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	v.pausing.Add(-1)
}

// startLocked begins the next hashes while there is a processor for them.
func (v *Verifier) startLocked() {
	for v.running < hashesAtATime {
		w, at := v.turns.next(time.Now())
		if w == nil {
			if !at.IsZero() {
				time.AfterFunc(time.Until(at), v.start)
			}
			return
		}
		v.running++
		w.turn <- true
	}
}

func (v *Verifier) start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.startLocked()
}

// release ends a turn and notes its outcome.
func (v *Verifier) release(a *Attempt, right bool, sum digest, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	v.running--
	v.turns.measured(took)
	v.turns.ended(a, right, now)
	if right {
		remember(v.right, sum, now)
	} else {
		remember(v.wrong, sum, now)
	}
	v.startLocked()
}

func remember(m map[digest]time.Time, sum digest, now time.Time) {
	if len(m) >= maxRemembered {
		maps.DeleteFunc(m, func(_ digest, at time.Time) bool { return now.Sub(at) > rememberFor })
	}
	if len(m) >= maxRemembered {
		clear(m)
	}
	m[sum] = now
}

// CertificateUser returns the user name of a client certificate: its common name, or the
// first of its alternative names; "" if it has neither.
func CertificateUser(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	}
	return ""
}
