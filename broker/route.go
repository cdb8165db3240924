package broker

import (
	"errors"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// route is where the messages of one topic go. It is worked out once and kept for as
// long as no subscription and no right changes.
type route struct {
	topic      string
	generation uint64
	fee        int64       // bytes that are charged for it where it is remembered
	err        *mqtt.Error // the topic cannot be published to
	targets    []target
	groups     []*shareGroup
	spools     []*spool
	locals     []*local
	durable    bool // a durable subscriber may be among them
}

// target is one session with all that its matching subscriptions ask for: overlapping
// ones make one delivery with the highest QoS [MQTT-3.3.5-1] and all identifiers
// [MQTT-3.3.4-4, v5].
type target struct {
	session *session
	qos     byte
	rap     bool     // retain flag as published
	ids     []uint32 // subscription identifiers
	shared  bool
	// own is what the session gets of its own publications when some of its
	// subscriptions are no-local: nil for nothing, itself when none is.
	own *target
}

func (t *target) merge(sub *subscription) {
	t.qos = max(t.qos, sub.QoS)
	t.rap = t.rap || sub.RetainAsPub
	if sub.ID != 0 {
		t.ids = append(t.ids, sub.ID)
	}
}

var (
	errTopicOwn  = mqtt.NewError(mqtt.NotAuthorized, "topics below $SYS are the broker's own")
	errTopicName = mqtt.NewError(mqtt.TopicNameInvalid, "topic name is not allowed")
	errTopicText = mqtt.NewError(mqtt.MalformedPacket, "topic name is not well-formed UTF-8 or has U+0000")
)

// isTopic reports whether the route's topic can be one at all.
func (r *route) isTopic() bool { return r.err != errTopicName && r.err != errTopicText }

// routeFor works out the route of a topic.
func (b *Broker) routeFor(topic string) *route {
	r := &route{topic: topic, generation: b.subs.Generation()}
	if err := mqtt.CheckTopic(topic); err != nil {
		if r.err = errTopicName; errors.Is(err, mqtt.ErrTopicUTF8) || errors.Is(err, mqtt.ErrTopicNUL) {
			r.err = errTopicText // [MQTT-1.5.4-1, 1.5.4-2]
		}
		return r
	}
	if ownTopic(topic) {
		r.err = errTopicOwn
	}
	allowed := b.permissions.Load()
	merged := map[*session]int{}
	b.subs.Match(topic, func(subs []*subscription, groups []*shareGroup) {
		r.groups = append(r.groups, groups...)
		for _, sub := range subs {
			switch who := sub.Subscriber; {
			case who.spool != nil:
				r.addSpool(who.spool)
			case who.local != nil:
				r.locals = append(r.locals, who.local)
			case allowed.MayRead(who.session.who.Load(), topic):
				r.addSession(merged, sub)
			}
		}
	})
	r.durable = len(r.spools) > 0
	for i := range r.targets {
		r.durable = r.durable || r.targets[i].session.isPersistent()
	}
	for _, g := range r.groups {
		for _, m := range g.Members {
			r.durable = r.durable || m.Subscriber.session.isPersistent()
		}
	}
	return r
}

func (r *route) addSpool(s *spool) {
	for _, have := range r.spools {
		if have == s {
			return
		}
	}
	r.spools = append(r.spools, s)
}

func (r *route) addSession(merged map[*session]int, sub *subscription) {
	s := sub.Subscriber.session
	i, ok := merged[s]
	if !ok {
		i = len(r.targets)
		merged[s] = i
		r.targets = append(r.targets, target{session: s})
	}
	t := &r.targets[i]
	t.merge(sub)
	if !sub.NoLocal { // [MQTT-3.8.3-3, v5]
		if t.own == nil {
			t.own = &target{session: s}
		}
		t.own.merge(sub)
	}
}

// pick chooses the member of a group that gets the next message: in turn, those who
// are connected first, then those whose session waits.
func pick(g *shareGroup, allowed *permissions.Permissions, topic string) (target, bool) {
	n := uint32(len(g.Members))
	start := g.Turn()
	var waiting *subscription
	for i := range n {
		sub := g.Members[(start+i)%n]
		switch s := sub.Subscriber.session; {
		case !allowed.MayRead(s.who.Load(), topic):
		case s.connected():
			return shareTarget(sub), true
		case waiting == nil && s.isPersistent():
			waiting = sub
		}
	}
	if waiting == nil {
		return target{}, false
	}
	return shareTarget(waiting), true
}

func shareTarget(sub *subscription) target {
	t := target{session: sub.Subscriber.session, shared: true}
	t.merge(sub)
	return t
}

// ownTopic reports topics that only the broker itself publishes.
func ownTopic(topic string) bool {
	return len(topic) >= 4 && topic[:4] == "$SYS" && (len(topic) == 4 || topic[4] == '/')
}
