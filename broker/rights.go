package broker

import (
	"sync/atomic"

	"sensorgate/broker/passwd"
)

// rights say who may connect, publish, subscribe and receive. Nobody changes them: a
// reload makes others, and moves the generation of all routes, so that from then on
// every delivery is checked against the new ones.
type rights struct {
	users passwd.File // nil: no password file
	acl   *acl        // nil: everything is allowed
}

// loadRights reads the files that the options name.
func loadRights(o *Options) (*rights, error) {
	r := new(rights)
	var err error
	if o.Passwords != "" {
		if r.users, err = passwd.Load(o.Passwords); err != nil {
			return nil, err
		}
	}
	if o.ACL != "" {
		if r.acl, err = loadACL(o.ACL); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// identity is who a client has proved to be, and what follows from it.
type identity struct {
	user  string
	hash  string // line of the password file that it was checked against; "" for none
	rules atomic.Pointer[identityRules]
}

// identityRules are the rules of one client under one set of rights.
type identityRules struct {
	rights *rights
	rules  []rule
}

func (s *session) rulesUnder(r *rights) []rule {
	who := s.who.Load()
	if have := who.rules.Load(); have != nil && have.rights == r {
		return have.rules
	}
	rules := r.acl.rulesFor(who.user, s.id)
	who.rules.Store(&identityRules{r, rules})
	return rules
}

// mayWrite reports whether the client may publish to a topic.
func (r *rights) mayWrite(s *session, topic string) bool {
	return r.acl == nil || allows(s.rulesUnder(r), accessWrite, topic)
}

// mayRead reports whether the client may receive a message. It is asked at delivery, not
// only at subscription: also for what was retained or queued before (CVE-2018-12546).
func (r *rights) mayRead(s *session, topic string) bool {
	return r.acl == nil || allows(s.rulesUnder(r), accessRead, topic)
}

// maySubscribe reports whether the client may subscribe to a filter.
func (r *rights) maySubscribe(s *session, filter string) bool {
	return r.acl == nil || allowsFilter(s.rulesUnder(r), filter)
}
