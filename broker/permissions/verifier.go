package permissions

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"sensorgate/broker/passwd"
)

// Verifier checks passwords; any goroutine may use it. A hash costs tens of milliseconds
// and 19 MB, so only two are worked out at a time, and what was right is remembered for a
// while: otherwise a whole site that reconnects after a power cut would wait for its own
// logins.
type Verifier struct {
	slots chan struct{}
	key   []byte // of the remembered digests; new with every start

	mu    sync.Mutex
	known map[[sha256.Size]byte]time.Time
}

const (
	hashesAtATime = 2
	rememberFor   = 5 * time.Minute
	maxRemembered = 1000
)

// NewVerifier returns a Verifier that remembers nothing yet.
func NewVerifier() *Verifier {
	v := &Verifier{
		slots: make(chan struct{}, hashesAtATime),
		key:   make([]byte, 32),
		known: map[[sha256.Size]byte]time.Time{},
	}
	_, _ = rand.Read(v.key) // never fails: crypto/rand
	return v
}

// noHash is checked for users that do not exist, so that they take as long to refuse as
// those that do.
var noHash = sync.OnceValue(func() string { return passwd.Hash([]byte("nobody")) })

// Check reports whether the password has the hash; "" is the hash of a user that does not
// exist. It waits for its turn until ctx ends, and reports false then.
func (v *Verifier) Check(ctx context.Context, hash string, password []byte) bool {
	exists := hash != ""
	if !exists {
		hash = noHash()
	}
	mac := hmac.New(sha256.New, v.key)
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write(password)
	digest := [sha256.Size]byte(mac.Sum(nil))
	if v.remembers(digest) {
		return exists
	}
	select {
	case v.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	ok := passwd.Verify(hash, password)
	<-v.slots
	if ok && exists {
		v.remember(digest)
	}
	return ok && exists
}

func (v *Verifier) remembers(digest [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.known[digest]
	return ok && time.Now().Before(until)
}

func (v *Verifier) remember(digest [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxRemembered {
		clear(v.known)
	}
	v.known[digest] = time.Now().Add(rememberFor)
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
