package bridge

import (
	"maps"
	"slices"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// Announcement is a message that goes to the upstream beside the spool: it describes
// something, or is a state of which only the newest matters because whoever reads it there
// has no time stamps.
type Announcement struct {
	Topic   string // at the upstream
	Payload []byte
	Retain  bool

	Once  bool      // it is over at once: dropped while there is no connection
	Until time.Time // when it is worth nothing any more; zero: never

	// Done is called when the upstream has acknowledged it; it must not block and not call
	// the bridge. May be nil. If a newer one of the topic takes its place it is not called.
	Done func()
}

// newest holds what is to be announced: of each topic the newest, in the order in which
// the topics came. If the upstream is slow or away, older ones give way to newer ones, and
// the number of topics bounds it; nothing of it is on the disk.
type newest struct {
	wake chan struct{} // has a value when there is something to send

	mu      sync.Mutex
	waiting map[string]*announced
	order   []*announced // to be sent; those that were replaced are skipped
	flying  map[uint64]*announced
	number  uint64
	open    bool // there is a connection
}

type announced struct {
	Announcement
	number   uint64
	replaced bool
}

func newNewest() *newest {
	return &newest{wake: make(chan struct{}, 1), waiting: map[string]*announced{}, flying: map[uint64]*announced{}}
}

// onceMax is how many messages that are over at once may wait on a connection.
const onceMax = 256

// Announce sends messages to the upstream when it can be reached, in this order, each
// instead of an older one of its topic that has not left. It does not wait. What was sent
// and not acknowledged when a connection breaks is sent again on the next.
func (b *Bridge) Announce(ms ...Announcement) {
	n := b.newest
	n.mu.Lock()
	for _, m := range ms {
		a := &announced{Announcement: m}
		switch {
		case m.Once && (!n.open || len(n.order) > onceMax+len(n.waiting)):
			b.ignored.Add(1)
			continue
		case !m.Once:
			if old := n.waiting[m.Topic]; old != nil {
				old.replaced = true
			}
			n.waiting[m.Topic] = a
		}
		n.order = append(n.order, a)
	}
	if len(n.order) > 2*len(n.waiting)+2*onceMax { // a week's replaced ones
		n.order = slices.DeleteFunc(n.order, func(a *announced) bool { return a.replaced })
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Offer announces a message that this process has published, if a rule for the newest
// sends it. once is that it is an event; until as in Announcement.
func (b *Bridge) Offer(m *mqtt.Message, once bool, until time.Time) {
	for i := range b.rules.newest {
		r := &b.rules.newest[i]
		if topic, ok := r.rename.Rename(m.Topic); ok {
			if topic != b.statusTopic() {
				b.Announce(Announcement{Topic: topic, Payload: m.Payload, Retain: m.Retain && r.Retain, Once: once, Until: until})
			}
			return
		}
	}
}

// newestSends reports whether a rule for the newest sends the topic under this name: then
// no other rule does, or the upstream would get a backlog all the same.
func (s *ruleSet) newestSends(topic, remote string) bool {
	for i := range s.newest {
		if name, ok := s.newest[i].rename.Rename(topic); ok && name == remote {
			return true
		}
	}
	return false
}

// begin is a new connection: what was on its way is to be sent again, before all else.
func (n *newest) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	again := make([]*announced, 0, len(n.flying)+len(n.order))
	for _, i := range slices.Sorted(maps.Keys(n.flying)) {
		if a := n.flying[i]; !a.Once && !a.replaced {
			again = append(again, a)
		}
	}
	clear(n.flying)
	n.number = 0
	for _, a := range n.order {
		if !a.Once && !a.replaced {
			again = append(again, a)
		}
	}
	n.order, n.open = again, true
}

func (n *newest) end() {
	n.mu.Lock()
	n.open = false
	n.mu.Unlock()
}

// next takes the next one to be sent.
func (n *newest) next(now time.Time) *announced {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.order) > 0 {
		a := n.order[0]
		n.order[0] = nil
		n.order = n.order[1:]
		if a.replaced {
			continue
		}
		if !a.Until.IsZero() && now.After(a.Until) {
			n.forgetLocked(a)
			continue
		}
		n.number++
		a.number = n.number
		n.flying[a.number] = a
		return a
	}
	n.order = nil
	return nil
}

func (n *newest) forgetLocked(a *announced) {
	if n.waiting[a.Topic] == a {
		delete(n.waiting, a.Topic)
	}
}

// acknowledged is that the upstream has the one with this number.
func (n *newest) acknowledged(number uint64) {
	n.mu.Lock()
	a := n.flying[number]
	delete(n.flying, number)
	if a != nil {
		n.forgetLocked(a)
	}
	n.mu.Unlock()
	if a != nil && !a.replaced && a.Done != nil {
		a.Done()
	}
}

// announce sends what is to be announced, after it was said that we are there.
func (c *connection) announce(now time.Time) {
	n := c.b.newest
	for (c.saidOnline || c.b.opt.Status.Topic == "") && !c.stopping && c.out.size() < batchBytes && c.room(c.window) {
		a := n.next(now)
		if a == nil {
			return
		}
		qos := min(1, c.maxQoS)
		size := mqtt.PublishSize(c.level, qos, len(a.Topic), 0, len(a.Payload))
		if size > c.maxPacket {
			c.b.lose(lostTooLarge, now)
			c.b.warn(time.Hour, "large", "a message is larger than the upstream allows and was dropped", "topic", a.Topic, "bytes", size, "allowed", c.maxPacket)
			n.acknowledged(a.number)
			continue
		}
		var id uint16
		if qos > 0 {
			id = c.track(slot{announced: a.number, bytes: int32(size), state: awaitPuback, kind: ofNewest})
		}
		c.out.publish(mqtt.PublishFlags(qos, false, a.Retain && c.mayRetain), a.Topic, id, nil, a.Payload, false)
		c.b.noteSent(c.level, a.Topic, a.Payload, now)
		if qos == 0 {
			n.acknowledged(a.number)
		}
	}
}
