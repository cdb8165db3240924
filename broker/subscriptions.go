package broker

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sensorgate/internal/mqtt"
)

// subscription is one filter of one subscriber. Exactly one of session, spool and
// local is set. Nobody changes it: a changed subscription is another one.
type subscription struct {
	mqtt.Subscription // Filter is without $share/GROUP
	id                uint32
	group             string // of a shared subscription, "" for none
	session           *session
	spool             *spool
	local             *local
}

// subscriptions is the tree of all filters, one level of a topic per node.
type subscriptions struct {
	// generation moves with every change, so that whoever keeps a route knows when it
	// is old.
	generation atomic.Uint64

	mu    sync.RWMutex
	root  node
	count int
}

type node struct {
	children map[string]*node
	subs     []*subscription // without shared ones
	groups   []*shareGroup
}

// shareGroup is one group of a shared subscription: each message goes to one member
// (MQTT 5, 4.8.2).
type shareGroup struct {
	name    string
	members []*subscription // never changed: routes hold it without a lock
	next    *atomic.Uint32
}

// add enters sub; it replaces the one that the same subscriber has for the same
// filter [MQTT-3.8.4-3]. existed reports that there was one.
func (t *subscriptions) add(sub *subscription) (existed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addLocked(sub)
}

func (t *subscriptions) addLocked(sub *subscription) (existed bool) {
	n := &t.root
	for rest, more := sub.Filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		child := n.children[level]
		if child == nil {
			child = new(node)
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[strings.Clone(level)] = child
		}
		n = child
	}
	existed = n.put(sub)
	if !existed {
		t.count++
	}
	t.generation.Add(1)
	return existed
}

func (n *node) put(sub *subscription) (existed bool) {
	if sub.group == "" {
		n.subs, existed = with(n.subs, sub)
		return existed
	}
	for i, g := range n.groups {
		if g.name == sub.group {
			members, existed := with(slices.Clone(g.members), sub)
			n.groups[i] = &shareGroup{g.name, members, g.next}
			return existed
		}
	}
	n.groups = append(n.groups, &shareGroup{sub.group, []*subscription{sub}, new(atomic.Uint32)})
	return false
}

func with(list []*subscription, sub *subscription) (longer []*subscription, existed bool) {
	for i, old := range list {
		if old.sameSubscriber(sub) {
			list[i] = sub
			return list, true
		}
	}
	return append(list, sub), false
}

func (s *subscription) sameSubscriber(o *subscription) bool {
	return s.session == o.session && s.spool == o.spool && s.local == o.local
}

// remove takes sub out, with the nodes that nobody needs any more.
func (t *subscriptions) remove(sub *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeLocked(sub)
}

func (t *subscriptions) removeLocked(sub *subscription) {
	if t.root.remove(sub, sub.Filter, true) {
		t.count--
		t.generation.Add(1)
	}
}

// remove recurses as deep as the filter has levels, which CheckFilter bounds.
func (n *node) remove(sub *subscription, rest string, more bool) (found bool) {
	if !more {
		return n.take(sub)
	}
	level, rest, more := strings.Cut(rest, "/")
	child := n.children[level]
	if child == nil {
		return false
	}
	found = child.remove(sub, rest, more)
	if len(child.children) == 0 && len(child.subs) == 0 && len(child.groups) == 0 {
		delete(n.children, level)
	}
	return found
}

func (n *node) take(sub *subscription) (found bool) {
	if sub.group == "" {
		n.subs, found = without(n.subs, sub)
		return found
	}
	for i, g := range n.groups {
		if g.name != sub.group {
			continue
		}
		members, found := without(slices.Clone(g.members), sub)
		n.groups[i] = &shareGroup{g.name, members, g.next}
		if len(members) == 0 {
			n.groups = slices.Delete(n.groups, i, i+1)
		}
		return found
	}
	return false
}

func without(list []*subscription, sub *subscription) ([]*subscription, bool) {
	for i, s := range list {
		if s.sameSubscriber(sub) {
			return slices.Delete(list, i, i+1), true
		}
	}
	return list, false
}

// match calls f for every node whose filter matches the topic. The caller holds mu.
func (t *subscriptions) matchLocked(topic string, f func(*node)) {
	// A leading wildcard must not reach into the broker's own topics [MQTT-4.7.2-1].
	own := topic[0] == '$'
	type branch struct {
		n    *node
		rest string
		more bool
	}
	todo := make([]branch, 1, 16)
	todo[0] = branch{&t.root, topic, true}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		wild := !own || at.n != &t.root
		if hash := at.n.children["#"]; hash != nil && wild {
			f(hash) // "sport/#" includes "sport" (4.7.1.2)
		}
		if !at.more {
			f(at.n)
			continue
		}
		level, rest, more := strings.Cut(at.rest, "/")
		if child := at.n.children[level]; child != nil && level != "+" && level != "#" {
			todo = append(todo, branch{child, rest, more})
		}
		if plus := at.n.children["+"]; plus != nil && wild {
			todo = append(todo, branch{plus, rest, more})
		}
	}
}

func (t *subscriptions) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.count
}

// anyBelow reports whether a filter begins with the level.
func (t *subscriptions) anyBelow(level string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.children[level] != nil
}
