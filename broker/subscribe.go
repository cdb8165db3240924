package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// Bounds of the filters of one session; where it is persistent, all of them are written
// with every change.
const (
	maxSubscriptions = 1000
	maxFilterText    = 256 << 10 // bytes
)

// subscribe enters a filter that was checked, into the session and into the tree; fits is
// false if the budget has no room. What was acknowledged in a previous run is forced in.
func (s *session) subscribe(want mqtt.Subscription, id uint32, force bool) (sub *subscription, existed, fits bool) {
	sub = &subscription{Subscription: want, ID: id, Subscriber: subscriber{session: s}}
	full := want.Filter
	if group, inner, shared := mqtt.SplitShare(full); shared {
		sub.Group, sub.Filter = group, inner
	}
	s.mu.Lock()
	_, existed = s.subs[full]
	s.mu.Unlock()
	fee := int64(0)
	if !existed {
		fee = subscriptionFee(full) + s.b.subs.Cost(sub.Filter)
	}
	if force {
		s.account.Force(budget.Subscriptions, fee)
	} else if !s.account.Charge(budget.Subscriptions, fee) {
		return nil, false, false
	}
	s.mu.Lock()
	if s.subs == nil {
		s.subs = map[string]*subscription{}
	}
	s.subs[full] = sub
	if !existed {
		s.subText += len(full)
		s.growLocked(s.b.onDisk.ofFilter(full))
	}
	s.mu.Unlock()
	s.b.subs.Add(sub)
	if !existed { // others may have changed the tree between
		s.account.Force(budget.Subscriptions, subscriptionFee(full)+sub.NodeBytes()-fee)
	}
	return sub, existed, true
}

func subscriptionFee(full string) int64 { return subscriptionCost + int64(len(full)) }

// unsubscribe takes a filter out; false if there is no such.
func (s *session) unsubscribe(full string) bool {
	s.mu.Lock()
	sub := s.subs[full]
	if sub != nil {
		delete(s.subs, full)
		s.subText -= len(full)
		s.growLocked(-s.b.onDisk.ofFilter(full))
	}
	s.mu.Unlock()
	if sub == nil {
		return false
	}
	s.unenter(full, sub)
	return true
}

// unenter takes a subscription out of the tree. The nodes that were made for it may be
// needed by others: they belong to nobody then.
func (s *session) unenter(full string, sub *subscription) {
	freed := s.b.subs.Remove(sub)
	s.account.Release(budget.Subscriptions, subscriptionFee(full)+sub.NodeBytes())
	s.b.own.Force(budget.Subscriptions, sub.NodeBytes()-freed)
}
