package broker

import (
	"sync"
	"time"

	"sensorgate/broker/topics"
)

// Limits of the retained store. A message beyond them is delivered but not kept, and
// the publisher, if its protocol level allows, is informed.
const (
	maxRetained      = 100_000
	maxRetainedBytes = 32 << 20
)

// retained is the message that a new subscriber gets first. Nobody changes it.
type retained struct {
	publication
}

func (r *retained) size() int64 {
	return int64(len(r.route.topic) + len(r.payload) + len(r.props) + 200)
}

// retainedStore holds the newest retained message per topic.
type retainedStore struct {
	mu    sync.RWMutex
	tree  topics.Retained[retained]
	bytes int64
}

// setLocked replaces the message of a topic. It reports false when there was nothing to
// remove, or no room.
func (t *retainedStore) setLocked(topic string, r *retained) bool {
	if r == nil {
		old := t.tree.Set(topic, nil)
		if old == nil {
			return false
		}
		t.bytes -= old.size()
		return true
	}
	old := t.tree.Get(topic)
	if old == nil && (t.tree.Len() >= maxRetained || t.bytes+r.size() > maxRetainedBytes) {
		return false
	}
	if old != nil {
		t.bytes -= old.size()
	}
	t.tree.Set(topic, r)
	t.bytes += r.size()
	return true
}

// get returns the retained message of a topic, or nil.
func (t *retainedStore) get(topic string) *retained {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tree.Get(topic)
}

// match returns the retained messages whose topic matches the filter and that have not
// expired.
func (t *retainedStore) match(filter string, now time.Time) (found []*retained) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := t.tree.Walk(filter)
	for more := true; more; {
		more = c.Next(1<<20, func(r *retained) bool {
			if !r.expired(now) {
				found = append(found, r)
			}
			return true
		})
	}
	return found
}

func (t *retainedStore) size() (count int, bytes int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tree.Len(), t.bytes
}

// keep copies a publication out of its batch.
func keep(p *publication) *retained {
	bytes := make([]byte, 0, len(p.payload)+len(p.props))
	bytes = append(append(bytes, p.payload...), p.props...)
	n := len(p.payload)
	return &retained{publication{
		route: &route{topic: p.route.topic}, payload: bytes[:n:n], props: bytes[n:], qos: p.qos, retain: true,
		hasExpiry: p.hasExpiry, expiry: p.expiry, at: p.at, origin: p.origin, asRetained: true,
	}}
}
