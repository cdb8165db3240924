package bridge

import (
	"fmt"
	"slices"

	"sensorgate/internal/mqtt"
)

// ruleSet is Options.Rules made ready.
type ruleSet struct {
	out    []outRule
	newest []outRule // Rule.Newest: they go beside the spool
	in     []inRule
}

type outRule struct {
	Rule
	rename *mqtt.Renamer // local to remote
}

type inRule struct {
	Rule
	rename *mqtt.Renamer // remote to local
}

func newRuleSet(rules []Rule) (*ruleSet, error) {
	var s ruleSet
	for i, r := range rules {
		if r.QoS > 2 {
			return nil, fmt.Errorf("rules[%d]: qos %d: have 0, 1, 2", i, r.QoS)
		}
		if r.Out {
			rename, err := mqtt.NewRenamer(r.Local, r.Remote)
			if err != nil {
				return nil, fmt.Errorf("rules[%d]: %w", i, err)
			}
			if r.Newest {
				s.newest = append(s.newest, outRule{r, rename})
				continue
			}
			s.out = append(s.out, outRule{r, rename})
		}
		if r.In {
			rename, err := mqtt.NewReverseRenamer(r.Local, r.Remote)
			if err != nil {
				return nil, fmt.Errorf("rules[%d]: %w", i, err)
			}
			s.in = append(s.in, inRule{r, rename})
		}
	}
	return &s, nil
}

// bringsIn reports whether a rule that only fetches owns the local topic. Such a topic
// is never sent: on a 3.1.1 upstream it would come straight back.
func (s *ruleSet) bringsIn(local string) bool {
	for i := range s.in {
		r := &s.in[i]
		if r.Out {
			continue // dir = both: the echo window guards it
		}
		if mqtt.Match(r.rename.Result(), local) {
			return true
		}
	}
	return false
}

// fetch returns the first rule that brings in the remote topic, and its local name.
func (s *ruleSet) fetch(remote string) (*inRule, string) {
	for i := range s.in {
		if local, ok := s.in[i].rename.Rename(remote); ok {
			return &s.in[i], local
		}
	}
	return nil, ""
}

// keepSession reports whether the upstream is to keep our session while we are away: to
// queue what comes down, or to tell a QoS 2 message that comes twice.
func (s *ruleSet) keepSession() bool {
	if s.exactOut() {
		return true
	}
	for i := range s.in {
		if s.in[i].Queue {
			return true
		}
	}
	return false
}

// exactOut reports whether a rule sends with QoS 2.
func (s *ruleSet) exactOut() bool {
	return slices.ContainsFunc(s.out, func(r outRule) bool { return r.QoS == 2 })
}

// subscriptions are what the in rules need.
func (s *ruleSet) subscriptions(level byte) []mqtt.Subscription {
	var subs []mqtt.Subscription
	for i := range s.in {
		r := &s.in[i]
		sub := mqtt.Subscription{Filter: r.rename.Filter(), QoS: r.QoS}
		if level == mqtt.Level5 {
			sub.NoLocal = true     // what we send does not come back
			sub.RetainAsPub = true // the retain flag as the publisher set it
		}
		subs = append(subs, sub)
	}
	return subs
}
