package broker

import (
	"bytes"

	"sensorgate/broker/budget"
)

// fanOut is what is still to be sent of one message to many subscribers that are not
// durable. Those that are have it in their record already. Until it is done nothing more
// of its publisher is handled, so its messages stay in their order.
type fanOut struct {
	p    publication // with bytes of its own
	to   []*target   // who is still to get it
	fee  int64       // bytes that the publisher's account has for it
	size int         // bytes for each
}

// fanOutBytes is how much one message may take in the outputs of its subscribers at once;
// more of it is sent in slices, between which others have their turn. It is copied in
// about 2 ms on a Pi 3.
const fanOutBytes = 2 << 20

// fanOutSlice is how many bytes are copied between two looks at the clock.
const fanOutSlice = 128 << 10

// packetOverhead is about what a PUBLISH takes beside its payload, lock and window
// included.
const packetOverhead = 200

// deliverAll sends p to the targets and share groups of its route: at once, or, when that is too much for
// one turn of an event loop, as far as startFanOut notes.
func (w *worker) deliverAll(p *publication) {
	r := p.route
	if w.at != nil && (len(r.targets)+len(r.groups))*(len(p.payload)+packetOverhead) > fanOutBytes {
		w.startFanOut(p)
		return
	}
	for i := range r.targets {
		w.deliverTo(p, &r.targets[i])
	}
	for _, g := range r.groups {
		if t, ok := w.pick(g, r.topic); ok {
			w.deliverTo(p, &t)
		}
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

// startFanOut notes the durable subscribers of p for its record, and all others for the
// turns to come.
func (w *worker) startFanOut(p *publication) {
	f := &fanOut{p: *p, size: len(p.payload) + packetOverhead}
	f.p.payload = bytes.Clone(p.payload)
	f.p.props = bytes.Clone(p.props)
	for i := range p.route.targets {
		t := w.heldBack(p, &p.route.targets[i])
		if t != nil {
			f.to = append(f.to, t)
		}
	}
	for _, g := range p.route.groups {
		t, ok := w.pick(g, p.route.topic)
		if !ok {
			continue
		}
		if t := w.heldBack(p, &t); t != nil {
			f.to = append(f.to, t)
		}
	}
	f.fee = int64(len(p.payload) + len(p.props) + targetCost*len(f.to))
	w.at.account.Force(budget.Buffers, f.fee)
	w.at.fan = f
}

// continueFanOut sends the next slice; false if the turn is over before all have it.
func (c *conn) continueFanOut(w *worker) (done bool) {
	f := c.fan
	f.p.enc = [4]encoding{} // it was in the memory of a turn
	for sent := 0; len(f.to) > 0; {
		t := f.to[0]
		w.deliver(&f.p, t, f.p.retain && t.rap)
		f.to = f.to[1:]
		if sent += f.size; sent >= fanOutSlice {
			if sent = 0; w.turnIsOver() && len(f.to) > 0 {
				return false
			}
		}
	}
	c.account.Release(budget.Buffers, f.fee)
	c.fan = nil
	return true
}

// finishFanOut sends the rest when the publisher's connection ends: the message may be
// acknowledged already. It runs on no event loop.
func (c *conn) finishFanOut(w *worker) {
	if c.fan != nil {
		c.continueFanOut(w)
	}
}
