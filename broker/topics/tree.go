// Package topics holds the two trees of a broker, one level of a topic per node: the
// filters of all subscribers, and the retained message of each topic.
//
// It knows no connection, session or permission; a subscriber is any comparable value.
// Subscriptions locks itself; Retained does not, because its owner has to write to the
// journal under the same lock. Nothing here survives a restart by itself, and nothing is
// bounded by itself: whoever adds asks first what it costs (Cost) and decides.
package topics

import (
	"sort"
	"strings"
)

// node is one level. Its children stand in the order in which they were made, and a removed
// one stays for a while, marked as gone: so a walk can stop between any two and go on
// later, although the tree has changed meanwhile.
type node[V any] struct {
	name  string
	kids  []*node[V]
	index map[string]*node[V] // of kids by name, once they are too many to search
	born  uint64              // number among all nodes ever made in the tree
	holes int32               // kids that are gone
	gone  bool
	named bool        // made with a place in its parent's index
	one   [1]*node[V] // room for kids while there is one: an object less for the garbage collector
	value V
}

// searchedKids is up to how many children are searched one by one. Most nodes have one
// child; a map for each would cost more than all the rest.
const searchedKids = 8

func (n *node[V]) child(name string) *node[V] {
	if n.index != nil {
		return n.index[name]
	}
	for _, k := range n.kids {
		if !k.gone && k.name == name {
			return k
		}
	}
	return nil
}

// grow adds a child that is not there.
func (n *node[V]) grow(name string, born uint64) *node[V] {
	// A copy: the text of a whole topic must not be kept for one level of it.
	k := &node[V]{name: strings.Clone(name), born: born}
	if cap(n.kids) == 0 {
		n.kids = n.one[:0]
	}
	n.kids = append(n.kids, k)
	switch {
	case n.index != nil:
		n.index[k.name] = k
	case len(n.kids)-int(n.holes) > searchedKids:
		n.index = make(map[string]*node[V], len(n.kids))
		for _, k := range n.kids {
			if !k.gone {
				n.index[k.name] = k
			}
		}
	}
	k.named = n.index != nil
	return k
}

// cut takes a child out. The order of the others stays.
func (n *node[V]) cut(k *node[V]) {
	k.gone = true
	if n.index != nil {
		delete(n.index, k.name)
	}
	n.holes++
	if live := len(n.kids) - int(n.holes); int(n.holes) > live/4 {
		n.closeHoles(live)
	}
	if n.one[0] == k { // also after the list has outgrown it
		n.one[0] = nil
	}
}

// closeHoles leaves in the list only the children that are not gone.
func (n *node[V]) closeHoles(live int) {
	if live <= searchedKids/2 {
		n.index = nil
	}
	kids := make([]*node[V], 0, live)
	for _, k := range n.kids {
		if !k.gone {
			kids = append(kids, k)
		}
	}
	n.kids, n.holes = kids, 0
}

// from returns the place of the first child that was born at or after the number.
func (n *node[V]) from(born uint64) int {
	return sort.Search(len(n.kids), func(i int) bool { return n.kids[i].born >= born })
}

func (n *node[V]) bare() bool { return len(n.kids) == int(n.holes) }

// What one node takes in memory besides its name, and what its place in the index of its
// parent takes; measured by TestCostIsWhatTheHeapSays.
const (
	nodeCost  = 112
	namedCost = 48
)

// cost is what the account has for a node.
func (n *node[V]) cost() int64 {
	bytes := nodeCost + int64(len(n.name))
	if n.named {
		bytes += namedCost
	}
	return bytes
}

// pathCost returns the bytes that the nodes of a path would add below n.
func (n *node[V]) pathCost(path string) (bytes int64) {
	at := n
	for rest, more := path, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		above := at
		if at != nil {
			at = at.child(level)
		}
		if at != nil {
			continue
		}
		bytes += nodeCost + int64(len(level))
		if above != nil && (above.index != nil || len(above.kids)-int(above.holes) >= searchedKids) {
			bytes += namedCost
		}
	}
	return bytes
}
