package broker

import (
	"sensorgate/internal/mqtt"
)

// maxSubscriptions bounds the filters of one session.
const maxSubscriptions = 1000

// subscribe enters a filter that was checked, into the session and into the tree.
func (s *session) subscribe(want mqtt.Subscription, id uint32) (sub *subscription, existed bool) {
	sub = &subscription{Subscription: want, ID: id, Subscriber: subscriber{session: s}}
	full := want.Filter
	if group, inner, shared := mqtt.SplitShare(full); shared {
		sub.Group, sub.Filter = group, inner
	}
	s.mu.Lock()
	if s.subs == nil {
		s.subs = map[string]*subscription{}
	}
	_, existed = s.subs[full]
	s.subs[full] = sub
	s.mu.Unlock()
	s.b.subs.Add(sub)
	return sub, existed
}

func (s *session) unsubscribe(filter string) bool {
	s.mu.Lock()
	sub := s.subs[filter]
	delete(s.subs, filter)
	s.mu.Unlock()
	if sub == nil {
		return false
	}
	s.b.subs.Remove(sub)
	return true
}
