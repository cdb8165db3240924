package broker

import (
	"strings"
	"sync"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Keys of the journal's entries.
const (
	keyRetained = "retained/"     // + topic: a message record
	keySession  = "session/meta/" // + client id: subscriptions and expiry
	keyIn       = "session/in/"   // + client id: QoS 2 from the client
	keyOut      = "session/out/"  // + client id: QoS 2 towards it
)

// Limits of the retained store. A message beyond them is delivered but not kept, and
// the publisher, if its protocol level allows, is told.
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

// retainedStore holds the newest retained message per topic, in a tree so that a
// wildcard costs only what it matches.
type retainedStore struct {
	mu    sync.RWMutex
	root  retainedNode
	count int
	bytes int64
}

type retainedNode struct {
	children map[string]*retainedNode
	message  *retained
}

// retain stores p, or removes what was stored if p has no payload [MQTT-3.3.1-6,
// 3.3.1-7]. needs is 1 if waiter will hear of the commit.
func (w *worker) retain(p *publication, waiter journal.Waiter, token uint64) (needs int) {
	b := w.b
	key := keyRetained + p.route.topic
	lane := journal.Telemetry
	if waiter != nil {
		lane = journal.Event
	}
	t := &b.retained
	// Under the lock, so that the journal sees the messages of a topic in the same order.
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p.payload) == 0 {
		if t.setLocked(p.route.topic, nil) {
			b.journal.Delete(key, lane)
		}
		return 0
	}
	r := keep(p)
	if !t.setLocked(p.route.topic, r) {
		b.drop(&b.count.full)
		return 0
	}
	b.journal.Put(key, mqtt.AppendRecord(nil, r.view()), lane, waiter, token)
	if waiter == nil {
		return 0
	}
	return 1
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

// setLocked replaces the message of a topic. It reports false when there was nothing to
// remove, or no room.
func (t *retainedStore) setLocked(topic string, r *retained) bool {
	path := make([]*retainedNode, 0, 8)
	n := &t.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		child := n.children[level]
		if child == nil {
			if r == nil {
				return false
			}
			if t.count >= maxRetained || t.bytes+r.size() > maxRetainedBytes {
				return false
			}
			child = new(retainedNode)
			if n.children == nil {
				n.children = map[string]*retainedNode{}
			}
			n.children[strings.Clone(level)] = child
		}
		path = append(path, n)
		n = child
	}
	old := n.message
	if r == nil && old == nil || r != nil && old == nil && (t.count >= maxRetained || t.bytes+r.size() > maxRetainedBytes) {
		return false
	}
	if old != nil {
		t.count--
		t.bytes -= old.size()
	}
	if n.message = r; r != nil {
		t.count++
		t.bytes += r.size()
		return true
	}
	t.prune(path, topic)
	return true
}

// prune removes the nodes that hold nothing any more.
func (t *retainedStore) prune(path []*retainedNode, topic string) {
	for i := len(path) - 1; i >= 0; i-- {
		cut := strings.LastIndexByte(topic, '/')
		level := topic[cut+1:]
		child := path[i].children[level]
		if child.message != nil || len(child.children) > 0 {
			return
		}
		delete(path[i].children, level)
		topic = topic[:max(cut, 0)]
	}
}

// get gives the retained message of a topic, or nil.
func (t *retainedStore) get(topic string) *retained {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := &t.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if n = n.children[level]; n == nil {
			return nil
		}
	}
	return n.message
}

// match gives the retained messages whose topic matches the filter and that have not
// expired.
func (t *retainedStore) match(filter string, now time.Time) (found []*retained) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.root.match(filter, true, true, func(r *retained) {
		if !r.expired(now) {
			found = append(found, r)
		}
	})
	return found
}

// match recurses as deep as topics have levels, which CheckTopic bounds.
func (n *retainedNode) match(rest string, more, first bool, f func(*retained)) {
	if !more {
		if n.message != nil {
			f(n.message)
		}
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	switch level {
	case "#":
		if !first && n.message != nil {
			f(n.message)
		}
		n.all(first, f)
	case "+":
		for name, child := range n.children {
			if !first || name == "" || name[0] != '$' { // [MQTT-4.7.2-1]
				child.match(rest, more, false, f)
			}
		}
	default:
		if child := n.children[level]; child != nil {
			child.match(rest, more, false, f)
		}
	}
}

func (n *retainedNode) all(first bool, f func(*retained)) {
	for name, child := range n.children {
		if first && name != "" && name[0] == '$' { // [MQTT-4.7.2-1]
			continue
		}
		if child.message != nil {
			f(child.message)
		}
		child.all(false, f)
	}
}

func (t *retainedStore) size() (count int, bytes int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.count, t.bytes
}

// restoreRetained reads what an earlier life kept. A record that cannot be read costs
// itself only.
func (b *Broker) restoreRetained() {
	b.retained.mu.Lock()
	defer b.retained.mu.Unlock()
	for _, key := range b.journal.Keys(keyRetained) {
		rec, ok := b.journal.Get(key)
		if !ok {
			continue
		}
		v, err := mqtt.ViewRecord(rec)
		topic := string(v.Topic)
		if err == nil {
			err = mqtt.CheckTopic(topic)
		}
		if err != nil {
			b.log.Warn("a retained message cannot be read and is left out", "key", key, "err", err)
			continue
		}
		p := publication{
			route: &route{topic: topic}, payload: v.Payload, props: v.AppendProperties(nil), qos: v.QoS,
			at: v.Time, origin: string(v.Origin),
		}
		p.hasExpiry, p.expiry = v.Expiry()
		b.retained.setLocked(topic, keep(&p))
	}
}

// sendRetained gives s what is retained for a filter it has just subscribed to.
func (w *worker) sendRetained(s *session, sub *subscription) {
	found := append(w.b.retained.match(sub.Filter, w.now), w.b.sysRetained(sub.Filter)...)
	for _, r := range found {
		if !w.b.rights.Load().mayRead(s, r.route.topic) {
			w.b.drop(&w.b.count.denied)
			continue
		}
		t := target{session: s}
		t.merge(sub)
		p := r.publication // its encodings belong to this batch
		if min(p.qos, t.qos) > 0 && s.isDurable() {
			at := len(w.targets)
			w.targets = append(w.targets, t)
			queues := len(w.queues)
			w.queues = append(w.queues, s.queue)
			w.addRecord(&p, [2]int{at, at + 1}, queues, false, nil, 0)
			w.waiting[len(w.waiting)-1].current = r
			continue
		}
		w.deliver(&p, &t, true)
	}
}
