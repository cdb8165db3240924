package broker

import (
	"slices"

	"sensorgate/broker/budget"
	"sensorgate/broker/topics"
)

// retainedWalk is what is still to be sent of the retained messages that a new
// subscription matches. It keeps a place in the tree and no message: a subscription to
// everything costs no more than another.
type retainedWalk struct {
	full   string // filter, with $share/GROUP
	sub    *subscription
	sys    bool // what is below $SYS is still to be sent: it is worked out when somebody asks
	cursor *topics.Cursor[retained]
}

// Bounds of one slice of a walk; other clients have their turn before the next.
const (
	sliceMessages = 64
	sliceBytes    = 64 << 10
	sliceNodes    = 2048
)

// startWalks notes that what is retained for new subscriptions must be sent. Messages that
// are retained from now on come to the subscriber as they are published.
func (c *conn) startWalks(entries []entry) {
	b, s := c.b, c.session
	var walks []*retainedWalk
	again := map[string]bool{}
	b.retained.mu.RLock()
	for i := range entries {
		e := &entries[i]
		if !e.fits || e.sub.Group != "" || e.sub.RetainHandling == 2 || e.sub.RetainHandling == 1 && e.existed {
			continue // [MQTT-3.3.1-10, 3.3.1-11, v5]; nothing retained to a shared one (4.8.2)
		}
		walks = append(walks, &retainedWalk{full: e.full, sub: e.sub, sys: true, cursor: b.retained.tree.Walk(e.sub.Filter)})
		again[e.full] = true
	}
	b.retained.mu.RUnlock()
	if len(walks) == 0 {
		return
	}
	s.mu.Lock()
	s.walks = append(slices.DeleteFunc(s.walks, func(w *retainedWalk) bool { return again[w.full] }), walks...)
	s.mu.Unlock()
	c.writer.wake()
}

// continueWalks sends a slice of what is retained, if the client has taken what was sent
// before. again reports that there is more and room for it: the caller comes back after
// others had their turn. It is called by the goroutine that writes to the client.
func (c *conn) continueWalks(w *worker) (again bool) {
	s := c.session
	for sent := 0; sent < sliceMessages && !w.turnIsOver(); {
		walk := c.nextWalk()
		if walk == nil {
			return false
		}
		found, more := walk.slice(w)
		for _, r := range found {
			w.sendRetained(s, walk.sub, r)
		}
		w.commit()
		if sent += len(found); more {
			break
		}
		s.mu.Lock()
		if len(s.walks) > 0 && s.walks[0] == walk { // else it was started anew
			s.walks[0] = nil
			s.walks = s.walks[1:]
		}
		s.mu.Unlock()
	}
	return c.nextWalk() != nil
}

// nextWalk returns the walk that goes on now; nil if there is none or the client must
// take something first.
func (c *conn) nextWalk() *retainedWalk {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return nil
	}
	defer s.recountWalksLocked()
	for len(s.walks) > 0 && s.subs[s.walks[0].full] != s.walks[0].sub { // unsubscribed, or renewed
		s.walks = s.walks[1:]
	}
	if len(s.walks) == 0 {
		s.walks = nil
		return nil
	}
	if c.waiting() > sliceBytes || s.pending.count > 0 || s.isPersistent() && !s.live {
		return nil
	}
	return s.walks[0]
}

// recountWalksLocked has the account pay for the place of the walk that goes on now; the others
// are at the root still. The caller is the goroutine that continues them, or ends them all.
func (s *session) recountWalksLocked() {
	fee := int64(0)
	if len(s.walks) > 0 {
		fee = s.walks[0].cursor.Bytes()
	}
	if fee != s.walkFee {
		s.account.Force(budget.Subscriptions, fee-s.walkFee)
		s.walkFee = fee
	}
}

// slice takes the next few messages.
func (r *retainedWalk) slice(w *worker) (found []*retained, more bool) {
	if r.sys {
		r.sys = false
		found = w.b.sysRetained(r.sub.Filter)
	}
	store, bytes := &w.b.retained, 0
	store.mu.RLock()
	defer store.mu.RUnlock()
	more = r.cursor.Next(sliceNodes, func(m *retained) bool {
		if !store.expired(m, w.now) {
			found = append(found, m)
			bytes += len(m.bytes)
		}
		return len(found) < sliceMessages && bytes < sliceBytes
	})
	return found, more
}

// sendRetained sends one retained message for a new subscription.
func (w *worker) sendRetained(s *session, sub *subscription, r *retained) {
	if !w.b.permissions.Load().MayRead(s.who.Load(), r.topic) {
		w.b.drop(&w.b.count.denied)
		return
	}
	t := target{session: s}
	t.merge(sub)
	p := w.b.retained.publication(r)
	if min(p.qos, t.qos) == 0 || !s.isPersistent() {
		w.deliver(&p, &t, true)
		return
	}
	at, queues := len(w.targets), len(w.queues)
	w.targets = append(w.targets, t)
	w.queues = append(w.queues, s.queue)
	w.addRecord(&p, span{at, at + 1}, queues, false, nil, 0)
	w.waiting[len(w.waiting)-1].current = r
}
