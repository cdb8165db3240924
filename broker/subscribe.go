package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/broker/topics"
	"sensorgate/internal/mqtt"
)

// Bounds of the filters of one session; where it is persistent, all of them are written
// with every change.
const (
	maxSubscriptions = 1000
	maxFilterText    = 256 << 10 // bytes
)

func subscriptionFee(full string) int64 { return subscriptionCost + int64(len(full)) }

// entry is one filter on its way into a session and the tree.
type entry struct {
	full    string // with $share/GROUP
	sub     *subscription
	existed bool
	fits    bool // the budget had room for it
}

func newEntry(s *session, want mqtt.Subscription, id uint32) entry {
	e := entry{full: want.Filter, sub: &subscription{Subscription: want, ID: id, Subscriber: subscriber{session: s}}}
	if group, inner, shared := mqtt.SplitShare(e.full); shared {
		e.sub.Group, e.sub.Filter = group, inner
	}
	return e
}

// noteLocked enters a filter into the session; what comes from its queue needs to know it before
// the tree does.
func (s *session) noteLocked(e *entry) {
	if s.subs == nil {
		s.subs = map[string]*subscription{}
	}
	if _, e.existed = s.subs[e.full]; !e.existed {
		s.subText += len(e.full)
		s.growLocked(s.b.onDisk.ofFilter(e.full))
	}
	s.subs[e.full] = e.sub
}

// forgetLocked takes a filter out of the session.
func (s *session) forgetLocked(full string) {
	delete(s.subs, full)
	s.subText -= len(full)
	s.growLocked(-s.b.onDisk.ofFilter(full))
}

// enter enters filters that the session knows into the tree, all of a packet in one step: who
// takes many out at the same time must not be waited for at each. What the budget has no room
// for, the session forgets again; what was acknowledged in a previous run is forced in.
func (s *session) enter(list []entry, force bool) {
	refused := false
	s.b.subs.Edit(func(tree *topics.Edit[subscriber]) {
		for i := range list {
			e := &list[i]
			fee := int64(0)
			if !e.existed {
				fee = subscriptionFee(e.full) + tree.Cost(e.sub.Filter)
			}
			if force {
				s.account.Force(budget.Subscriptions, fee)
			} else if !s.account.Charge(budget.Subscriptions, fee) {
				refused = true
				continue
			}
			e.fits = true
			tree.Add(e.sub)
		}
	})
	if !refused {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		if e := &list[i]; !e.fits && s.subs[e.full] == e.sub {
			s.forgetLocked(e.full)
		}
	}
}

// unsubscribe takes filters out; the names of those that are not there are left out of done.
func (s *session) unsubscribe(filters []string) (done map[string]bool) {
	done = map[string]bool{}
	var subs []*subscription
	s.mu.Lock()
	for _, full := range filters {
		if sub := s.subs[full]; sub != nil {
			s.forgetLocked(full)
			subs = append(subs, sub)
			done[full] = true
		}
	}
	s.mu.Unlock()
	s.leave(subs)
	return done
}

// leave takes subscriptions out of the tree, in one step. The nodes that were made for them may
// be needed by others: they belong to nobody then.
func (s *session) leave(subs []*subscription) {
	s.b.subs.Edit(func(tree *topics.Edit[subscriber]) {
		for _, sub := range subs {
			freed := tree.Remove(sub)
			s.account.Release(budget.Subscriptions, subscriptionFee(sub.Full())+sub.NodeBytes())
			s.b.own.Force(budget.Subscriptions, sub.NodeBytes()-freed)
		}
	})
}
