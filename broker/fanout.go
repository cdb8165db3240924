package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
)

// fanOut is what is still to be sent of one message to many subscribers that are not
// durable. Those that are have it in their record already. Until it is done nothing more
// of its publisher is handled, so its messages stay in their order.
type fanOut struct {
	p     publication // with bytes of its own
	bytes []byte
	to    []*target // who is still to get it
	fee   int64     // bytes that the publisher's account has for it
	size  int       // bytes for each

	// While its route is worked out: who hears of the commits, and how many there are so far.
	waiter journal.Waiter
	token  uint64
	needs  int
}

// deliverAll sends p to the targets and share groups of its route: at once, or, when that is too much for
// one turn of an event loop, as far as startFanOut notes. Beside the loops it rests now and then.
func (w *worker) deliverAll(p *publication) {
	r := p.route
	size := p.size()
	if w.at != nil && (len(r.targets)+len(r.groups))*size > fanOutBytes {
		w.noteTargets(w.startFanOut(p))
		return
	}
	for i := range r.targets {
		if t := &r.targets[i]; min(p.qos, t.qos) == 0 && !t.noLocal { // what heldBack lets pass, at no cost
			w.deliver(p, t, p.retain && t.rap)
		} else {
			w.deliverTo(p, t)
		}
		w.rest(size)
	}
	for _, g := range r.groups {
		if t, ok := w.pick(g, r.topic); ok {
			w.deliverTo(p, &t)
			w.rest(size)
		}
	}
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

// deliverLocals calls our own subscribers. They get p as published, as MQTT 5 subscribers may
// ask for too [MQTT-3.3.1-13]: a command that is to be kept for later has to be known as such
// by who must refuse it.
func (w *worker) deliverLocals(p *publication) {
	m := p.message()
	for _, l := range p.route.locals {
		l.deliver(&m)
	}
}

// pick chooses the member of a group that gets the next message: in turn, those who
// are connected first, then those whose session waits.
func (w *worker) pick(g *shareGroup, topic string) (target, bool) {
	allowed := w.b.permissions.Load()
	n := uint32(len(g.Members))
	start := g.Turn()
	var waiting *subscription
	for i := range n {
		sub := g.Members[(start+i)%n]
		switch s := sub.Subscriber.session; {
		case !allowed.MayRead(s.who.Load(), topic):
		case s.connected():
			w.work += int(i) * workOfMatch
			return shareTarget(sub), true
		case waiting == nil && s.isPersistent():
			waiting = sub
		}
	}
	w.work += int(n) * workOfMatch
	if waiting == nil {
		return target{}, false
	}
	return shareTarget(waiting), true
}

// startFanOut copies p for the turns to come.
func (w *worker) startFanOut(p *publication) *fanOut {
	f := &fanOut{p: *p, size: p.size()}
	f.bytes = append(append(takeBuffer(len(p.payload)+len(p.props)), p.payload...), p.props...)
	f.p.payload, f.p.props = f.bytes[:len(p.payload)], f.bytes[len(p.payload):]
	f.fee = int64(cap(f.bytes))
	w.at.account.Force(budget.Buffers, f.fee)
	w.at.fan = f
	return f
}

// startRoute is startFanOut for a message whose route is not finished.
func (w *worker) startRoute(p *publication, waiter journal.Waiter, token uint64, needs int) {
	f := w.startFanOut(p)
	f.waiter, f.token, f.needs = waiter, token, needs
	w.routing = w.at
}

// noteTargets notes the durable subscribers of f for its record, and all others for the turns to come.
func (w *worker) noteTargets(f *fanOut) {
	p, r := &f.p, f.p.route
	for i := range r.targets {
		t := w.heldBack(p, &r.targets[i])
		if t != nil {
			f.to = append(f.to, t)
		}
	}
	for _, g := range r.groups {
		t, ok := w.pick(g, r.topic)
		if !ok {
			continue
		}
		if t := w.heldBack(p, &t); t != nil {
			f.to = append(f.to, t)
		}
	}
	more := int64(targetCost * len(f.to))
	w.at.account.Force(budget.Buffers, more)
	f.fee += more
}

// continueFanOut sends the next slice; false if the turn is over before all have it.
func (c *conn) continueFanOut(w *worker) (done bool) {
	f := c.fan
	f.p.enc = [4]encoding{} // it was in the memory of a turn
	if f.p.route.rest != nil && !c.continueRoute(w) {
		return false
	}
	for sent := 0; len(f.to) > 0; {
		t := f.to[0]
		w.deliver(&f.p, t, f.p.retain && t.rap)
		f.to = f.to[1:]
		w.rest(f.size)
		if sent += f.size; sent >= fanOutSlice {
			if sent = 0; w.turnIsOver() && len(f.to) > 0 {
				return false
			}
		}
	}
	c.account.Release(budget.Buffers, f.fee)
	w.unused = append(w.unused, f.bytes)
	c.fan = nil
	return true
}

// continueRoute looks at the next subscriptions that match; when it has seen all, it notes who
// gets the message. False if the turn is over before.
func (c *conn) continueRoute(w *worker) (done bool) {
	f := c.fan
	for !f.p.route.goOn() {
		if w.rest(fanOutSlice); w.turnIsOver() {
			return false
		}
	}
	if w.routing == c {
		w.routing = nil
	}
	w.remember(f.p.route)
	from := len(w.targets)
	at := w.at
	w.at = c
	w.noteTargets(f)
	w.at = at
	if len(f.p.route.locals) > 0 {
		w.deliverLocals(&f.p)
	}
	n := w.record(&f.p, from, f.waiter, f.token)
	if f.waiter != nil {
		c.acks.expect(f.token, f.needs+n, c.ackReason(f.p.route))
	}
	return true
}

// finishFanOut sends the rest when the publisher's connection ends: the message may be
// acknowledged already. It runs on no event loop.
func (c *conn) finishFanOut(w *worker) {
	if c.fan != nil {
		c.continueFanOut(w)
		w.commit()
	}
}
