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
	codes := make([]mqtt.Reason, len(in.Filters))
	type entered struct {
		sub *subscription
		new bool
	}
	subs := map[string]entered{} // a filter that is named twice counts once
	for i, want := range in.Filters {
		if c.endsFor(want.Filter) {
			return errFilter
		}
		if c.bridge {
			want.RetainAsPub, want.NoLocal = true, !isShared(want.Filter)
		}
		want.QoS = min(want.QoS, c.limits.maxQoS()) // 3.8.4: the server may grant less
		if want.NoLocal && isShared(want.Filter) {  // [MQTT-3.8.3-4, v5]
			return errShareNoLocal
		}
		if codes[i] = c.maySubscribe(want.Filter); codes[i] < mqtt.Unspecified {
			codes[i] = mqtt.Reason(want.QoS) // all QoS are supported [MQTT-3.8.4-8, v5]
			sub, existed, fits := c.session.subscribe(want, in.SubscriptionID, false)
			if fits {
				subs[want.Filter] = entered{sub, subs[want.Filter].new || !existed}
				continue
			}
			codes[i] = mqtt.QuotaExceeded
		}
		if c.level == mqtt.Level31 { // it knows no failure in a SUBACK
			codes[i] = mqtt.Reason(want.QoS)
		}
	}
	c.answerSubscribe(mqtt.SUBACK, in.ID, codes, len(subs) > 0)
	for full, e := range subs {
		if e.sub.Group != "" || e.sub.RetainHandling == 2 || e.sub.RetainHandling == 1 && !e.new {
			continue // [MQTT-3.3.1-10, 3.3.1-11, v5]; nothing retained to a shared one (4.8.2)
		}
		c.startWalk(full, e.sub)
	}
	return nil
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

// maySubscribe returns the reason why not.
func (c *conn) maySubscribe(filter string) mqtt.Reason {
	if mqtt.CheckFilter(filter) != nil {
		return mqtt.TopicFilterInvalid
	}
	if !c.b.permissions.Load().MaySubscribe(c.session.who.Load(), filter) {
		return mqtt.NotAuthorized
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	_, have := s.subs[filter]
	if !have && (len(s.subs) >= maxSubscriptions || s.isPersistent() && (s.subText+len(filter) > maxFilterText || !c.b.onDisk.takes(c.b.onDisk.ofFilter(filter)))) {
		return mqtt.QuotaExceeded
	}
	return mqtt.Success
}

// handleUnsubscribe takes the filters out and answers.
func (c *conn) handleUnsubscribe(_ *worker, f mqtt.Frame) error {
	id, filters, err := mqtt.ParseUnsubscribe(f, c.level)
	if err != nil {
		return err
	}
	codes := make([]mqtt.Reason, len(filters))
	changed := false
	for i, filter := range filters {
		if c.endsFor(filter) {
			return errFilter
		}
		switch {
		case mqtt.CheckFilter(filter) != nil:
			codes[i] = mqtt.TopicFilterInvalid
		case c.session.unsubscribe(filter):
			changed = true
		default:
			codes[i] = mqtt.NoSubscriptionExisted
		}
	}
	c.answerSubscribe(mqtt.UNSUBACK, id, codes, changed)
	return nil
}
