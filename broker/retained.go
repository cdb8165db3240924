package broker

import (
	"sync"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/topics"
	"sensorgate/internal/mqtt"
)

// retained is the message that a new subscriber gets first. Nobody changes it but for the
// account, which the store keeps.
type retained struct {
	topic     string
	bytes     []byte    // payload, then properties
	payload   int       // length of the payload
	at        time.Time // or, of one of an earlier run with an expiry, when this run began
	stamp     int64     // of that one: when it came by the clock of the earlier run, in ns; 0: nobody knows
	origin    string
	qos       byte
	hasExpiry bool
	expiry    uint32

	account *budget.Account // held
	nodes   int64           // bytes of tree nodes that were made for it
}

// keep copies a publication out of its batch.
func keep(p *publication) *retained {
	bytes := make([]byte, 0, len(p.payload)+len(p.props))
	return &retained{
		topic: p.route.topic, bytes: append(append(bytes, p.payload...), p.props...), payload: len(p.payload),
		at: p.at, origin: p.origin, qos: p.qos, hasExpiry: p.hasExpiry, expiry: p.expiry,
	}
}

// publication makes the value that is sent because of a new subscription.
func (t *retainedStore) publication(r *retained) publication {
	return publication{
		route: &route{topic: r.topic}, payload: r.bytes[:r.payload:r.payload], props: r.bytes[r.payload:], qos: r.qos, retain: true,
		hasExpiry: r.hasExpiry, expiry: r.expiry, at: t.came(r), origin: r.origin, asRetained: true,
	}
}

// size is what it takes in memory besides its nodes, with its entry in the journal.
func (r *retained) size() int64 { return retainedSize(len(r.topic), len(r.bytes)) }

func (r *retained) onDisk() int64 {
	return retainedOnDisk + 2*int64(len(r.topic)) + int64(len(r.bytes))
}

func retainedSize(topic, bytes int) int64 {
	return retainedCost + 2*int64(topic) + int64(bytes+bytes/8)
}

// came is when a message came, on the monotonic clock: what an earlier run has stamped counts
// only as long as the clock can be trusted.
func (t *retainedStore) came(r *retained) time.Time {
	if r.stamp != 0 && r.hasExpiry {
		if age, ok := t.ageOf(time.Unix(0, r.stamp)); ok {
			if at := time.Now().Add(-age); at.Before(r.at) {
				return at
			}
		}
	}
	return r.at
}

func (t *retainedStore) expired(r *retained, now time.Time) bool {
	return r.hasExpiry && expired(true, r.expiry, t.came(r), now)
}

// held counts the messages of which nobody knows whether they have expired.
func (t *retainedStore) held() (n int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for r := range t.unsure {
		if _, ok := t.ageOf(time.Unix(0, r.stamp)); !ok {
			n++
		}
	}
	return n
}

// message makes the value that our own subscribers get.
func (t *retainedStore) message(r *retained) mqtt.Message {
	p := t.publication(r)
	return p.message()
}

// retainedStore holds the newest retained message per topic.
type retainedStore struct {
	mu    sync.RWMutex
	tree  topics.Retained[retained]
	bytes int64
	room  int64           // bytes that clients' messages may take on the disk; 0: any
	disk  int64           // that all take there
	ends  int             // how many have an expiry
	own   *budget.Account // for the nodes whose message is gone

	ageOf  func(stamp time.Time) (age time.Duration, ok bool) // see Broker.ageOf
	unsure map[*retained]struct{}                             // those with a stamp of an earlier run
}

// setLocked replaces the message of a topic. It reports false when the budget has no
// room; a message that is not larger than the one it replaces always fits, and so does
// whatever is forced.
func (t *retainedStore) setLocked(r *retained, force bool) bool {
	old := t.tree.Get(r.topic)
	need := r.size() + t.tree.Cost(r.topic)
	if old != nil && old.account == r.account {
		need -= old.size()
	}
	if force {
		r.account.Force(budget.Retained, need)
	} else if !r.account.Charge(budget.Retained, need) {
		return false
	}
	r.account.Hold()
	_, r.nodes = t.tree.Set(r.topic, r)
	t.countLocked(r, 1)
	if old == nil {
		return true
	}
	t.countLocked(old, -1)
	delete(t.unsure, old)
	if old.account == r.account {
		r.nodes += old.nodes
	} else {
		old.account.Release(budget.Retained, old.size())
		t.orphanLocked(old, 0)
	}
	old.account.Close()
	return true
}

// removeLocked removes the message of a topic; false if there is none.
func (t *retainedStore) removeLocked(topic string) bool {
	old, grown := t.tree.Set(topic, nil)
	if old == nil {
		return false
	}
	t.countLocked(old, -1)
	delete(t.unsure, old)
	old.account.Release(budget.Retained, old.size())
	t.orphanLocked(old, -grown)
	old.account.Close()
	return true
}

// countLocked adds a message to what all take, n times: 1, or -1 for one that is gone.
func (t *retainedStore) countLocked(r *retained, n int64) {
	t.bytes += n * r.size()
	t.disk += n * r.onDisk()
	if r.hasExpiry {
		t.ends += int(n)
	}
}

// orphanLocked: the nodes that were made for a message that is gone are needed by others,
// but for those that were freed. They belong to nobody from now on; and of those that
// were freed some may have belonged to nobody.
func (t *retainedStore) orphanLocked(old *retained, freed int64) {
	old.account.Release(budget.Retained, old.nodes)
	t.own.Force(budget.Retained, old.nodes-freed)
}

// get returns the retained message of a topic, or nil.
func (t *retainedStore) get(topic string) *retained {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tree.Get(topic)
}

// fits reports whether a message would be retained now.
func (t *retainedStore) fits(a *budget.Account, topic string, bytes int) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.fitsLocked(a, topic, bytes)
}

func (t *retainedStore) fitsLocked(a *budget.Account, topic string, bytes int) bool {
	need := retainedSize(len(topic), bytes) + t.tree.Cost(topic)
	disk := t.disk + retainedOnDisk + 2*int64(len(topic)) + int64(bytes)
	if old := t.tree.Get(topic); old != nil {
		disk -= old.onDisk()
		if old.account == a {
			need -= old.size()
		}
	}
	if t.room > 0 && disk > t.room {
		return false
	}
	if !a.Charge(budget.Retained, need) {
		return false
	}
	a.Release(budget.Retained, need)
	return true
}

// match returns the retained messages whose topic matches the filter and that have not
// expired.
func (t *retainedStore) match(filter string, now time.Time) (found []*retained) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := t.tree.Walk(filter)
	for more := true; more; {
		more = c.Next(1<<20, func(r *retained) bool {
			if !t.expired(r, now) {
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
