package broker

import (
	"sensorgate/internal/journal"
)

// publish hands p to all who are there: connected sessions and our own subscribers at
// once, durable subscribers with the batch. needs is how many commits must come before
// the acknowledgement; waiter hears of each with the token.
func (w *worker) publish(p *publication, waiter journal.Waiter, token uint64) (needs int) {
	w.batch++
	w.b.count.publishIn[p.qos&3].Add(1)
	if p.retain {
		needs += w.retain(p, waiter, token)
		// Who subscribes now either finds the new retained message, or was there before it
		// was stored, and then a route that is looked up now knows of it.
		p.route = w.routeString(p.route.topic)
	}
	r := p.route
	w.work += workOfTarget * (len(r.targets) + len(r.groups) + 4*len(r.locals))
	from := len(w.targets)
	w.deliverAll(p)
	if len(r.locals) > 0 {
		m := p.message()
		// As published, as MQTT 5 subscribers may ask for too [MQTT-3.3.1-13]: a command that
		// is to be kept for later has to be known as such by who must refuse it.
		for _, l := range r.locals {
			l.deliver(&m)
		}
	}
	return needs + w.record(p, from, waiter, token)
}

// deliverTo sends p to t, or notes t for the record when it is a durable subscriber of p.
func (w *worker) deliverTo(p *publication, t *target) {
	if t = w.heldBack(p, t); t != nil {
		w.deliver(p, t, p.retain && t.rap)
	}
}

// heldBack notes t for the record when it is a durable subscriber of p. It returns how t
// gets p otherwise; nil if it does not, because it is its publisher and asked for that.
func (w *worker) heldBack(p *publication, t *target) *target {
	if t.noLocal && p.from == t.session {
		if t = t.own; t == nil {
			return nil
		}
	}
	if min(p.qos, t.qos) > 0 && t.session.isPersistent() {
		w.targets = append(w.targets, *t)
		return nil
	}
	return t
}
