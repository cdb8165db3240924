package broker

import (
	"sensorgate/internal/journal"
)

// publish hands p to all who are there: connected sessions and our own subscribers at
// once, durable subscribers with the batch. needs is how many commits must come before
// the acknowledgement; waiter hears of each with the token. An event loop that cannot say yet
// who gets p returns notKnown, and continueFanOut goes on.
func (w *worker) publish(p *publication, waiter journal.Waiter, token uint64) (needs int) {
	w.batch++
	w.b.count.publishIn[p.qos&3].Add(1)
	if p.retain {
		needs += w.retain(p, waiter, token)
		// Who subscribes now either finds the new retained message, or was there before it
		// was stored, and then a route that is looked up now knows of it.
		p.route = w.routeString(p.route.topic)
	}
	if p.route.rest != nil {
		if w.at != nil {
			w.startRoute(p, waiter, token, needs)
			return notKnown
		}
		w.finishRoute(p.route)
	}
	r := p.route
	w.work += workOfTarget * (len(r.targets) + len(r.groups) + 4*len(r.locals))
	from := len(w.targets)
	if len(r.targets) == 1 && len(r.groups) == 0 { // the most frequent case
		w.deliverTo(p, &r.targets[0])
	} else {
		w.deliverAll(p)
	}
	if len(r.locals) > 0 {
		w.deliverLocals(p)
	}
	return needs + w.record(p, from, waiter, token)
}

// notKnown is how many commits an acknowledgement waits for while its route is worked out.
const notKnown = -1
