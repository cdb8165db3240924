package broker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"sensorgate/broker/passwd"
	"sensorgate/internal/mqtt"
)

// authenticator checks passwords. A hash costs tens of milliseconds and 19 MB, so only
// two are worked out at a time, and what was right is remembered for a while: otherwise
// a whole site that reconnects after a power cut would wait for its own logins.
type authenticator struct {
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

func newAuthenticator() *authenticator {
	a := &authenticator{
		slots: make(chan struct{}, hashesAtATime),
		key:   make([]byte, 32),
		known: map[[sha256.Size]byte]time.Time{},
	}
	_, _ = rand.Read(a.key) // never fails: crypto/rand
	return a
}

// noHash is checked for users that do not exist, so that they take as long to refuse as
// those that do.
var noHash = sync.OnceValue(func() string { return passwd.Hash([]byte("nobody")) })

// check reports whether the password has the hash; "" for a user that does not exist.
func (a *authenticator) check(ctx context.Context, hash string, password []byte) bool {
	exists := hash != ""
	if !exists {
		hash = noHash()
	}
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write(password)
	digest := [sha256.Size]byte(mac.Sum(nil))
	if a.remembers(digest) {
		return exists
	}
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	ok := passwd.Verify(hash, password)
	<-a.slots
	if ok && exists {
		a.remember(digest)
	}
	return ok && exists
}

func (a *authenticator) remembers(digest [sha256.Size]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.known[digest]
	return ok && time.Now().Before(until)
}

func (a *authenticator) remember(digest [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxRemembered {
		clear(a.known)
	}
	a.known[digest] = time.Now().Add(rememberFor)
}

// authenticate is the one place that decides who a client is. certificate is the
// client's, verified, or nil.
func (b *Broker) authenticate(ctx context.Context, l *listener, connect *mqtt.Connect, certificate *x509.Certificate) (*identity, mqtt.Reason) {
	if certificate != nil { // required and verified by the listener
		name := certificateName(certificate)
		if name == "" {
			return nil, mqtt.NotAuthorized
		}
		return &identity{user: name}, mqtt.Success
	}
	r := b.rights.Load()
	switch {
	case r.users == nil && l.anonymous():
		// Without passwords a user name proves nothing, so it counts for nothing.
		return &identity{}, mqtt.Success
	case r.users == nil, !connect.HasUsername:
		return nil, mqtt.NotAuthorized
	}
	hash := r.users[connect.Username]
	if !b.auth.check(ctx, hash, connect.Password) {
		return nil, mqtt.BadUserNameOrPassword
	}
	return &identity{user: connect.Username, hash: hash}, mqtt.Success
}

// certificateName gives the user name of a client certificate: its common name, or the
// first of its alternative names.
func certificateName(c *x509.Certificate) string {
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
