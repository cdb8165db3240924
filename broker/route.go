package broker

import (
	"errors"
	"slices"

	"sensorgate/broker/permissions"
	"sensorgate/broker/topics"
	"sensorgate/internal/mqtt"
)

// route is where the messages of one topic go. It is worked out once and kept for as
// long as no subscription and no right changes. Where more than a slice of subscriptions match
// it is worked out in pieces: nobody waits for 100,000 of them.
type route struct {
	topic      string
	generation uint64
	fee        int64       // bytes that are charged for it where it is remembered
	matched    int         // subscriptions that match, which is what working it out costs
	err        *mqtt.Error // the topic cannot be published to
	targets    []target
	groups     []*shareGroup
	spools     []*spool
	locals     []*local
	durable    bool     // a durable subscriber may be among them
	rest       *routing // what is still to be looked at; nil: it is finished. Nobody remembers one that is not
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
	noLocal bool // some of its subscriptions are
	// own is what the session then gets of its own publications, nil for nothing.
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

// routing is what is still to be looked at of a route.
type routing struct {
	matches topics.Matches[subscriber]
	allowed *permissions.Permissions
	seen    int              // sessions
	places  map[*session]int // of theirs: permissions are checked once for each; nil for a few sessions
}

// fewSessions are searched one by one: most topics have one or two.
const fewSessions = 8

// place returns where in the targets a session is that was seen, or notAllowed.
func (rest *routing) place(r *route, s *session) (i int, seen bool) {
	if rest.places == nil {
		for i := range r.targets {
			if r.targets[i].session == s {
				return i, true
			}
		}
		if rest.seen < fewSessions {
			return 0, false
		}
		rest.places = make(map[*session]int, 2*fewSessions)
		for i := range r.targets {
			rest.places[r.targets[i].session] = i
		}
	}
	i, seen = rest.places[s]
	return i, seen
}

// routeSlice is how many subscriptions are looked at at once: some 200 µs on a small machine.
const routeSlice = 1024

// routeFor begins with the route of a topic. What more than a slice of subscriptions match is
// not finished then: route.rest is set.
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
	rest := routing{matches: b.subs.Matches(topic), allowed: b.permissions.Load()}
	if !r.look(&rest) {
		kept := rest // what is not kept needs no memory of its own
		r.rest = &kept
	}
	return r
}

// goOn looks at one more slice; true when the route is finished.
func (r *route) goOn() (done bool) {
	if !r.look(r.rest) {
		return false
	}
	r.rest = nil
	return true
}

// look is goOn for a rest that is not in the route yet.
func (r *route) look(rest *routing) (done bool) {
	more := rest.matches.Next(routeSlice, func(subs []*subscription, groups []*shareGroup) {
		r.matched += len(subs) + len(groups)
		r.groups = append(r.groups, groups...)
		for _, sub := range subs {
			switch who := sub.Subscriber; {
			case who.spool != nil:
				r.addSpool(who.spool)
			case who.local != nil:
				r.locals = append(r.locals, who.local)
			default:
				r.addSession(rest, sub)
			}
		}
	})
	if more {
		return false
	}
	r.durable = len(r.spools) > 0
	for i := range r.targets {
		r.durable = r.durable || r.targets[i].session.isPersistent()
	}
	for _, g := range r.groups {
		for _, m := range g.Members {
			r.durable = r.durable || m.Subscriber.session.isPersistent()
		}
	}
	return true
}

func (r *route) addSpool(s *spool) {
	for _, have := range r.spools {
		if have == s {
			return
		}
	}
	r.spools = append(r.spools, s)
}

// notAllowed is the place of a session that must not read the topic.
const notAllowed = -1

// addSession adds a subscription to what its session gets.
func (r *route) addSession(rest *routing, sub *subscription) {
	s := sub.Subscriber.session
	i, ok := rest.place(r, s)
	if !ok {
		if i = len(r.targets); !rest.allowed.MayRead(s.who.Load(), r.topic) {
			i = notAllowed
		} else {
			r.targets = append(r.targets, target{session: s})
		}
		rest.seen++
		if rest.places != nil {
			rest.places[s] = i
		}
	}
	if i != notAllowed {
		r.targets[i].add(sub, !ok)
	}
}

// cost is what the route takes where it is remembered, in bytes.
func (r *route) cost() int64 {
	cost := routeCost + int64(len(r.topic)) + int64(cap(r.targets))*targetCost + int64(cap(r.groups))*8
	for i := range r.targets {
		t := &r.targets[i]
		cost += int64(cap(t.ids)) * 4
		if t.own != nil {
			cost += targetCost + int64(cap(t.own.ids))*4
		}
	}
	return cost
}

// add merges sub in, the first or one more, and what it changes of the session's own
// publications [MQTT-3.8.3-3, v5].
func (t *target) add(sub *subscription, first bool) {
	if sub.NoLocal && !t.noLocal {
		t.noLocal = true
		if !first { // all before were not
			own := target{session: t.session, qos: t.qos, rap: t.rap, ids: slices.Clone(t.ids)}
			t.own = &own
		}
	}
	t.merge(sub)
	if t.noLocal && !sub.NoLocal {
		if t.own == nil {
			t.own = &target{session: t.session}
		}
		t.own.merge(sub)
	}
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
