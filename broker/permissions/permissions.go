// Package permissions decides who a client is and what it may publish, read and subscribe
// to: the password file, the verification of passwords, and the rules of an ACL file.
//
// It knows no connection and no session. A Permissions value is never changed: a reload
// makes another one, and whoever asks the new one gets the new answer. Nothing here
// survives a restart but the files, and only package passwd writes one of those.
package permissions

import (
	"sync/atomic"

	"sensorgate/broker/passwd"
)

// Permissions say who may connect, publish, subscribe and receive. Any goroutine may ask.
type Permissions struct {
	users passwd.File // nil: no password file
	acl   *acl        // nil: everything is allowed
}

// Load reads a password file and an ACL file; "" stands for none. With an error, which
// names file and line, neither counts.
func Load(passwords, aclFile string) (*Permissions, error) {
	p := new(Permissions)
	var err error
	if passwords != "" {
		if p.users, err = passwd.Load(passwords); err != nil {
			return nil, err
		}
	}
	if aclFile != "" {
		if p.acl, err = loadACL(aclFile); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// HasUsers reports whether there is a password file.
func (p *Permissions) HasUsers() bool { return p.users != nil }

// Hash returns a user's line of the password file; "" for a user that is not in it.
func (p *Permissions) Hash(user string) string { return p.users[user] }

// Revokes reports whether somebody who was let in may not be in any more: by a password
// that was changed or removed since, or without one where one is needed now.
func (p *Permissions) Revokes(who *Identity) bool {
	switch {
	case who.Hash != "":
		return p.users[who.User] != who.Hash
	case who.User == "":
		return p.users != nil && !who.Anonymous
	}
	return false // by certificate: the listener's CA decides
}

// Identity is who a client has proved to be, and what follows from it.
type Identity struct {
	User   string // "" for none
	Hash   string // line of the password file that it was checked against; "" for none
	Client string // client id

	// Anonymous is set for who shows no login because the configuration says so, also where
	// there are users.
	Anonymous bool

	rules atomic.Pointer[identityRules]
}

// identityRules are the rules of one client under one set of permissions.
type identityRules struct {
	under *Permissions
	rules []rule
}

func (p *Permissions) rulesOf(who *Identity) []rule {
	if have := who.rules.Load(); have != nil && have.under == p {
		return have.rules
	}
	rules := p.acl.rulesFor(who.User, who.Client)
	who.rules.Store(&identityRules{p, rules})
	return rules
}

// MayWrite reports whether the client may publish to a topic.
func (p *Permissions) MayWrite(who *Identity, topic string) bool {
	return p.acl == nil || allows(p.rulesOf(who), accessWrite, topic)
}

// MayRead reports whether the client may receive a message. Ask at delivery, not only at
// subscription: also for what was retained or queued before (CVE-2018-12546).
func (p *Permissions) MayRead(who *Identity, topic string) bool {
	return p.acl == nil || allows(p.rulesOf(who), accessRead, topic)
}

// MaySubscribe reports whether the client may subscribe to a filter.
func (p *Permissions) MaySubscribe(who *Identity, filter string) bool {
	return p.acl == nil || allowsFilter(p.rulesOf(who), filter)
}
