package topics

import (
	"strings"
	"unsafe"
)

// Retained is a tree of one value per topic, so that a wildcard costs only what it
// matches. The zero value is ready. Its owner locks: no method may run beside Set.
type Retained[T any] struct {
	root  node[kept[T]]
	made  uint64 // nodes, ever
	count int
	sets  uint64
	nodes int64 // bytes
}

// kept is the value of a topic, and the number of the Set that brought it.
type kept[T any] struct {
	value *T
	set   uint64
}

// Set replaces the value of a topic, or removes it with nil, and returns what was there
// and the bytes of nodes that the tree has now more (or less, then it is negative). The
// topic must be valid (mqtt.CheckTopic).
func (r *Retained[T]) Set(topic string, value *T) (old *T, nodes int64) {
	before := r.nodes
	if value == nil {
		old = r.remove(topic)
		return old, r.nodes - before
	}
	n := &r.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		k := n.child(level)
		if k == nil {
			r.made++
			k = n.grow(level, r.made)
			r.nodes += k.cost()
		}
		n = k
	}
	r.sets++
	old = n.value.value
	n.value = kept[T]{value, r.sets}
	if old == nil {
		r.count++
	}
	return old, r.nodes - before
}

// remove takes the value out, with the nodes that hold nothing any more.
func (r *Retained[T]) remove(topic string) (old *T) {
	path := make([]*node[kept[T]], 0, 16)
	n := &r.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		path = append(path, n)
		if n = n.child(level); n == nil {
			return nil
		}
	}
	old = n.value.value
	if old == nil {
		return nil
	}
	n.value = kept[T]{}
	r.count--
	for i := len(path) - 1; i >= 0 && n.bare() && n.value.value == nil; i-- {
		path[i].cut(n)
		r.nodes -= n.cost()
		n = path[i]
	}
	return old
}

// Get returns the value of a topic, or nil.
func (r *Retained[T]) Get(topic string) *T {
	n := &r.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if n = n.child(level); n == nil {
			return nil
		}
	}
	return n.value.value
}

// Len returns how many topics have a value.
func (r *Retained[T]) Len() int { return r.count }

// NodeBytes returns what the nodes of the tree take in memory, estimated; the values are
// the owner's to count.
func (r *Retained[T]) NodeBytes() int64 { return r.nodes }

// Cost returns the bytes of the nodes that Set would add for a topic.
func (r *Retained[T]) Cost(topic string) int64 { return r.root.pathCost(topic) }

// Cursor walks over the values that match a filter, in pieces. Values that are set after
// it was made are not seen: whoever subscribes gets those as they come.
type Cursor[T any] struct {
	sets  uint64 // newest Set that is seen
	made  uint64 // newest node that is visited: a tree that grows must not keep it from its end
	all   bool   // also what a leading wildcard does not match
	stack []step[T]
}

// Bytes returns what the place in the tree takes in memory, which is more in a deeper one.
func (c *Cursor[T]) Bytes() int64 { return int64(cap(c.stack)) * int64(unsafe.Sizeof(step[T]{})) }

// step is a node on the way from the root: what of the filter is left below it, and from
// which child on it is not visited.
type step[T any] struct {
	n     *node[kept[T]]
	rest  string
	more  bool // rest is a level, not the end
	own   bool // the node itself was visited
	next  uint64
	whole bool // below "#": everything matches
}

// Walk returns a cursor over what a valid filter without $share matches.
func (r *Retained[T]) Walk(filter string) *Cursor[T] {
	return &Cursor[T]{sets: r.sets, made: r.made, stack: []step[T]{{n: &r.root, rest: filter, more: true}}}
}

// All returns a cursor over all values.
func (r *Retained[T]) All() *Cursor[T] {
	c := r.Walk("#")
	c.all = true
	return c
}

// Next calls f with values until f returns false or at least limit nodes were visited,
// and reports whether there may be more. The same lock is needed as for all of Retained.
func (c *Cursor[T]) Next(limit int, f func(*T) bool) (more bool) {
	for visited := 0; len(c.stack) > 0; visited++ {
		if visited >= limit {
			return true
		}
		at := &c.stack[len(c.stack)-1]
		if !at.own {
			at.own = true
			v := at.n.value
			if at.ends() && v.value != nil && v.set <= c.sets && !f(v.value) {
				return true
			}
			continue
		}
		if down, ok := c.down(at); ok {
			c.stack = append(c.stack, down)
			continue
		}
		c.stack = c.stack[:len(c.stack)-1]
	}
	return false
}

// ends reports whether the node itself matches: the filter ends here, or with the "#"
// that includes the level above it (4.7.1.2). The root has no topic.
func (s *step[T]) ends() bool {
	return s.n.born != 0 && (!s.more || s.whole || s.rest == "#")
}

// down returns the next child to visit.
func (c *Cursor[T]) down(s *step[T]) (step[T], bool) {
	if !s.more && !s.whole {
		return step[T]{}, false
	}
	level, rest, more := "#", "", false
	if !s.whole {
		level, rest, more = strings.Cut(s.rest, "/")
	}
	if level != "#" && level != "+" {
		k := s.n.child(level)
		if k == nil || s.next > 0 {
			return step[T]{}, false
		}
		s.next = 1
		return step[T]{n: k, rest: rest, more: more}, true
	}
	for _, k := range s.n.kids[s.n.from(s.next):] {
		// A leading wildcard must not reach into the broker's own topics [MQTT-4.7.2-1].
		if k.born > c.made {
			break
		}
		if k.gone || !c.all && s.n.born == 0 && k.name != "" && k.name[0] == '$' {
			continue
		}
		s.next = k.born + 1
		return step[T]{n: k, rest: rest, more: more, whole: level == "#"}, true
	}
	return step[T]{}, false
}
