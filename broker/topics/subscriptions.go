package topics

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sensorgate/internal/mqtt"
)

// Subscription is one filter of one subscriber. Nobody changes it: a changed subscription
// is another one.
type Subscription[S comparable] struct {
	mqtt.Subscription        // Filter is valid and without $share/GROUP
	ID                uint32 // subscription identifier of MQTT 5; 0 for none
	Group             string // of a shared subscription, "" for none
	Subscriber        S

	nodes int64 // bytes of the nodes that were made for it
}

// NodeBytes returns the bytes of the nodes that Add made for the subscription: those that
// were there already belong to others.
func (s *Subscription[S]) NodeBytes() int64 { return s.nodes }

// Subscriptions is the tree of all filters. The zero value is ready; any goroutine may
// use it.
type Subscriptions[S comparable] struct {
	generation atomic.Uint64

	mu    sync.RWMutex
	root  node[entries[S]]
	made  uint64 // nodes, ever
	nodes int64  // bytes
	count int
}

// entries are the subscriptions of one filter.
type entries[S comparable] struct {
	subs   []*Subscription[S] // without shared ones
	groups []*Group[S]
}

// Group is one group of a shared subscription: each message goes to one member (MQTT 5,
// 4.8.2).
type Group[S comparable] struct {
	name    string
	Members []*Subscription[S] // never changed: routes hold it without a lock
	turn    *atomic.Uint32
}

// Turn returns a number that is one more with every call.
func (g *Group[S]) Turn() uint32 { return g.turn.Add(1) }

// Generation moves with every change, so that whoever keeps what Match found knows when
// it is old: take the number before, and compare.
func (t *Subscriptions[S]) Generation() uint64 { return t.generation.Load() }

// Touch moves the generation although no filter changed: what is known of subscribers
// did, their permissions for example.
func (t *Subscriptions[S]) Touch() { t.generation.Add(1) }

// Full is the filter as it stands in a SUBSCRIBE, with $share/GROUP.
func (s *Subscription[S]) Full() string {
	if s.Group == "" {
		return s.Filter
	}
	return "$share/" + s.Group + "/" + s.Filter
}

// Edit calls f to change the tree in one step. f must not call back.
func (t *Subscriptions[S]) Edit(f func(e *Edit[S])) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&Edit[S]{t})
}

// Edit is a tree that nobody else sees, as long as it is edited.
type Edit[S comparable] struct{ t *Subscriptions[S] }

// Cost returns the bytes of the nodes that Add would make for a filter.
func (e *Edit[S]) Cost(filter string) int64 { return e.t.root.pathCost(filter) }

// Add is Subscriptions.Add.
func (e *Edit[S]) Add(sub *Subscription[S]) { e.t.addLocked(sub) }

// Remove is Subscriptions.Remove.
func (e *Edit[S]) Remove(sub *Subscription[S]) (freed int64) {
	before := e.t.nodes
	e.t.removeLocked(sub)
	return before - e.t.nodes
}

// Add enters sub; it replaces the one that the same subscriber has for the same filter
// [MQTT-3.8.4-3]. existed reports that there was one.
func (t *Subscriptions[S]) Add(sub *Subscription[S]) (existed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addLocked(sub)
}

// Remove takes out what the same subscriber has for the same filter, if there is such,
// and returns the bytes of the nodes that nobody needs any more: not always those that
// were made for it.
func (t *Subscriptions[S]) Remove(sub *Subscription[S]) (freed int64) {
	t.Edit(func(e *Edit[S]) { freed = e.Remove(sub) })
	return freed
}

// Replace takes some out and enters others in one step: no message finds neither.
// It returns the bytes of nodes that the tree has now more, or less.
func (t *Subscriptions[S]) Replace(old, with []*Subscription[S]) (grown int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.nodes
	for _, sub := range old {
		t.removeLocked(sub)
	}
	for _, sub := range with {
		t.addLocked(sub)
	}
	return t.nodes - before
}

func (t *Subscriptions[S]) addLocked(sub *Subscription[S]) (existed bool) {
	n := &t.root
	for rest, more := sub.Filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		k := n.child(level)
		if k == nil {
			t.made++
			k = n.grow(level, t.made)
			sub.nodes += k.cost()
		}
		n = k
	}
	t.nodes += sub.nodes
	old := n.value.put(sub)
	if old == nil {
		t.count++
	} else {
		sub.nodes += old.nodes
	}
	t.generation.Add(1)
	return old != nil
}

func (t *Subscriptions[S]) removeLocked(sub *Subscription[S]) {
	path := make([]*node[entries[S]], 0, 16)
	n := &t.root
	for rest, more := sub.Filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		path = append(path, n)
		if n = n.child(level); n == nil {
			return
		}
	}
	if !n.value.take(sub) {
		return
	}
	for i := len(path) - 1; i >= 0 && n.bare() && n.value.empty(); i-- {
		path[i].cut(n)
		t.nodes -= n.cost()
		n = path[i]
	}
	t.count--
	t.generation.Add(1)
}

func (e *entries[S]) empty() bool { return len(e.subs) == 0 && len(e.groups) == 0 }

func (e *entries[S]) put(sub *Subscription[S]) (old *Subscription[S]) {
	if sub.Group == "" {
		e.subs, old = with(e.subs, sub)
		return old
	}
	for i, g := range e.groups {
		if g.name == sub.Group {
			members, old := with(slices.Clone(g.Members), sub)
			e.groups[i] = &Group[S]{g.name, members, g.turn}
			return old
		}
	}
	e.groups = append(e.groups, &Group[S]{sub.Group, []*Subscription[S]{sub}, new(atomic.Uint32)})
	return nil
}

func with[S comparable](list []*Subscription[S], sub *Subscription[S]) (longer []*Subscription[S], old *Subscription[S]) {
	for i, old := range list {
		if old.Subscriber == sub.Subscriber {
			list[i] = sub
			return list, old
		}
	}
	return append(list, sub), nil
}

func (e *entries[S]) take(sub *Subscription[S]) (found bool) {
	if sub.Group == "" {
		e.subs, found = without(e.subs, sub)
		return found
	}
	for i, g := range e.groups {
		if g.name != sub.Group {
			continue
		}
		members, found := without(slices.Clone(g.Members), sub)
		e.groups[i] = &Group[S]{g.name, members, g.turn}
		if len(members) == 0 {
			e.groups = slices.Delete(e.groups, i, i+1)
		}
		return found
	}
	return false
}

func without[S comparable](list []*Subscription[S], sub *Subscription[S]) ([]*Subscription[S], bool) {
	for i, s := range list {
		if s.Subscriber == sub.Subscriber {
			return slices.Delete(list, i, i+1), true
		}
	}
	return list, false
}

// Match calls f for every filter that matches a valid topic, with its subscriptions and
// its groups. f may keep the groups and the subscriptions but not the slices, and must
// not call back.
func (t *Subscriptions[S]) Match(topic string, f func(subs []*Subscription[S], groups []*Group[S])) {
	m := t.Matches(topic)
	for m.Next(1<<30, f) {
	}
}

// Matches walks over the filters that match a topic, in pieces. Between two pieces the tree
// may change: what was there before and is there at the end is found, what came or went
// meanwhile perhaps.
type Matches[S comparable] struct {
	t    *Subscriptions[S]
	own  bool // the topic is one of the broker's own
	todo []branch[S]
}

// branch is a node that matches so far, and what of the topic is left below it.
type branch[S comparable] struct {
	n    *node[entries[S]]
	rest string
	more bool // rest is a level, not the end
}

// Matches returns a walk over what matches a valid topic.
func (t *Subscriptions[S]) Matches(topic string) Matches[S] {
	m := Matches[S]{t: t, own: topic[0] == '$', todo: make([]branch[S], 1, 16)}
	m.todo[0] = branch[S]{&t.root, topic, true}
	return m
}

// Next calls f as Match does, until at least limit filters, subscriptions and groups were
// looked at, and reports whether there may be more.
func (m *Matches[S]) Next(limit int, f func(subs []*Subscription[S], groups []*Group[S])) (more bool) {
	m.t.mu.RLock()
	defer m.t.mu.RUnlock()
	call := func(e *entries[S]) {
		limit -= len(e.subs) + len(e.groups)
		f(e.subs, e.groups)
	}
	for ; len(m.todo) > 0; limit-- {
		if limit <= 0 {
			return true
		}
		at := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		// A leading wildcard must not reach into the broker's own topics [MQTT-4.7.2-1].
		wild := !m.own || at.n != &m.t.root
		if hash := at.n.child("#"); hash != nil && wild {
			call(&hash.value) // "sport/#" includes "sport" (4.7.1.2)
		}
		if !at.more {
			call(&at.n.value)
			continue
		}
		level, rest, more := strings.Cut(at.rest, "/")
		if k := at.n.child(level); k != nil && level != "+" && level != "#" {
			m.todo = append(m.todo, branch[S]{k, rest, more})
		}
		if plus := at.n.child("+"); plus != nil && wild {
			m.todo = append(m.todo, branch[S]{plus, rest, more})
		}
	}
	return false
}

// Len returns how many subscriptions there are.
func (t *Subscriptions[S]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.count
}

// AnyBelow reports whether a filter begins with the level.
func (t *Subscriptions[S]) AnyBelow(level string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.child(level) != nil
}

// NodeBytes returns what the nodes of the tree take in memory, estimated.
func (t *Subscriptions[S]) NodeBytes() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nodes
}

// Cost returns the bytes of the nodes that Add would make for a filter, estimated.
func (t *Subscriptions[S]) Cost(filter string) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.pathCost(filter)
}
