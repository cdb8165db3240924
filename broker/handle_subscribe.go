package broker

import (
	"errors"

	"sensorgate/internal/mqtt"
)

var errShareNoLocal = mqtt.NewError(mqtt.ProtocolError, "no-local on a shared subscription")

// handleSubscribe enters the filters, answers, and sends what is retained. Of a durable
// session the answer waits until the subscriptions are on disk.
func (c *conn) handleSubscribe(w *worker, f mqtt.Frame) error {
	in, err := mqtt.ParseSubscribe(f, c.level)
	if err != nil {
		return err
	}
	codes, err := c.checkFilters(&in)
	if err != nil {
		return err
	}
	entries := c.noteFilters(&in, codes)
	c.session.enter(entries, false)
	entered := false
	for i := range entries {
		if entries[i].fits {
			entered = true
			continue
		}
		for k := range in.Filters { // as often as it was named
			if in.Filters[k].Filter == entries[i].full {
				codes[k] = mqtt.QuotaExceeded
			}
		}
	}
	if c.level == mqtt.Level31 { // it knows no failure in a SUBACK
		for i := range codes {
			codes[i] = mqtt.Reason(in.Filters[i].QoS)
		}
	}
	c.answerSubscribe(mqtt.SUBACK, in.ID, codes, entered)
	c.startWalks(entries)
	return nil
}

// checkFilters returns the code of each filter as far as it does not depend on what the session
// has, and sets its QoS to what it gets.
func (c *conn) checkFilters(in *mqtt.Subscribe) (codes []mqtt.Reason, err error) {
	codes = make([]mqtt.Reason, len(in.Filters))
	for i := range in.Filters {
		want := &in.Filters[i]
		if c.endsFor(want.Filter) {
			return nil, errFilter
		}
		if c.bridge {
			want.RetainAsPub, want.NoLocal = true, !isShared(want.Filter)
		}
		want.QoS = min(want.QoS, c.limits.maxQoS()) // 3.8.4: the server may grant less
		if want.NoLocal && isShared(want.Filter) {  // [MQTT-3.8.3-4, v5]
			return nil, errShareNoLocal
		}
		switch {
		case mqtt.CheckFilter(want.Filter) != nil:
			codes[i] = mqtt.TopicFilterInvalid
		case !c.b.permissions.Load().MaySubscribe(c.session.who.Load(), want.Filter):
			codes[i] = mqtt.NotAuthorized
		default:
			codes[i] = mqtt.Reason(want.QoS) // all QoS are supported [MQTT-3.8.4-8, v5]
		}
	}
	return codes, nil
}

// noteFilters enters those that are allowed into the session. One that is named twice is there
// once, as it was named last.
func (c *conn) noteFilters(in *mqtt.Subscribe, codes []mqtt.Reason) (entries []entry) {
	s := c.session
	places := map[string]int{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, want := range in.Filters {
		switch {
		case codes[i] >= mqtt.Unspecified:
			continue
		case !s.takesLocked(want.Filter):
			codes[i] = mqtt.QuotaExceeded
			continue
		}
		e := newEntry(s, want, in.SubscriptionID)
		if place, twice := places[want.Filter]; twice {
			entries[place].sub = e.sub
			s.subs[e.full] = e.sub
			continue
		}
		s.noteLocked(&e)
		places[want.Filter] = len(entries)
		entries = append(entries, e)
	}
	return entries
}

// takesLocked reports whether the session may have one more filter, or has it.
func (s *session) takesLocked(filter string) bool {
	if _, have := s.subs[filter]; have {
		return true
	}
	return len(s.subs) < maxSubscriptions &&
		(!s.isPersistent() || s.subText+len(filter) <= maxFilterText && s.b.onDisk.takes(s.b.onDisk.ofFilter(filter)))
}

var errFilter = mqtt.NewError(mqtt.TopicFilterInvalid, "topic filter is not allowed")

// endsFor reports whether a filter ends the connection: below level 5 one that is none is
// a fault like any other [MQTT-4.7.3-1, 4.8.0-1]. One with more levels than we take is
// not allowed, but no fault.
func (c *conn) endsFor(filter string) bool {
	err := mqtt.CheckFilter(filter)
	return c.level != mqtt.Level5 && err != nil && !errors.Is(err, mqtt.ErrTopicLevels)
}

func isShared(filter string) bool {
	_, _, ok := mqtt.SplitShare(filter)
	return ok
}

// handleUnsubscribe takes the filters out and answers.
func (c *conn) handleUnsubscribe(_ *worker, f mqtt.Frame) error {
	id, filters, err := mqtt.ParseUnsubscribe(f, c.level)
	if err != nil {
		return err
	}
	codes := make([]mqtt.Reason, len(filters))
	for i, filter := range filters {
		if c.endsFor(filter) {
			return errFilter
		}
		if mqtt.CheckFilter(filter) != nil {
			codes[i] = mqtt.TopicFilterInvalid
		}
	}
	done := c.session.unsubscribe(filters)
	changed := len(done) > 0
	for i, filter := range filters {
		switch {
		case codes[i] == mqtt.TopicFilterInvalid:
		case done[filter]:
			delete(done, filter) // named again it is not there any more
		default:
			codes[i] = mqtt.NoSubscriptionExisted
		}
	}
	c.answerSubscribe(mqtt.UNSUBACK, id, codes, changed)
	return nil
}
