package broker

import (
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// maxSubscriptions bounds the filters of one session.
const maxSubscriptions = 1000

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
	var subs []entered
	for i, want := range in.Filters {
		if want.NoLocal && isShared(want.Filter) { // [MQTT-3.8.3-4, v5]
			return errShareNoLocal
		}
		if codes[i] = c.maySubscribe(want.Filter); codes[i] >= mqtt.Unspecified {
			if c.level == mqtt.Level31 { // it knows no failure in a SUBACK
				codes[i] = mqtt.Reason(want.QoS)
			}
			continue
		}
		codes[i] = mqtt.Reason(want.QoS) // all QoS are supported [MQTT-3.8.4-8, v5]
		sub, existed := c.session.subscribe(want, in.SubscriptionID)
		subs = append(subs, entered{sub, !existed})
	}
	c.answerSubscribe(mqtt.SUBACK, in.ID, codes, len(subs) > 0)
	for _, e := range subs {
		if e.sub.group != "" || e.sub.RetainHandling == 2 || e.sub.RetainHandling == 1 && !e.new {
			continue // [MQTT-3.3.1-10, 3.3.1-11, v5]; nothing retained to a shared one (4.8.2)
		}
		w.sendRetained(c.session, e.sub)
	}
	return nil
}

func isShared(filter string) bool {
	_, _, ok := mqtt.SplitShare(filter)
	return ok
}

// maySubscribe gives the reason why not.
func (c *conn) maySubscribe(filter string) mqtt.Reason {
	if mqtt.CheckFilter(filter) != nil {
		return mqtt.TopicFilterInvalid
	}
	if !c.b.rights.Load().maySubscribe(c.session, filter) {
		return mqtt.NotAuthorized
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, have := s.subs[filter]; !have && len(s.subs) >= maxSubscriptions {
		return mqtt.QuotaExceeded
	}
	return mqtt.Success
}

// subscribe enters a filter that was checked, into the session and into the tree.
func (s *session) subscribe(want mqtt.Subscription, id uint32) (sub *subscription, existed bool) {
	sub = &subscription{Subscription: want, id: id, session: s}
	full := want.Filter
	if group, inner, shared := mqtt.SplitShare(full); shared {
		sub.group, sub.Filter = group, inner
	}
	s.mu.Lock()
	if s.subs == nil {
		s.subs = map[string]*subscription{}
	}
	_, existed = s.subs[full]
	s.subs[full] = sub
	s.mu.Unlock()
	s.b.subs.add(sub)
	return sub, existed
}

// answerSubscribe sends a SUBACK or UNSUBACK; of a durable session whose subscriptions
// changed when they are on disk.
func (c *conn) answerSubscribe(typ mqtt.Type, id uint16, codes []mqtt.Reason, changed bool) {
	s := c.session
	if changed && s.isDurable() {
		token := c.acks.open(ack{typ: typ, id: id, codes: codes})
		s.save(journal.Event, c, token)
		c.acks.expect(token, 1, mqtt.Success)
		return
	}
	if !c.acks.empty() {
		c.acks.expect(c.acks.open(ack{typ: typ, id: id, codes: codes}), 0, mqtt.Success)
		return
	}
	c.reply(func(out []byte) []byte { return mqtt.AppendSuback(out, typ, c.level, id, codes) })
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

func (s *session) unsubscribe(filter string) bool {
	s.mu.Lock()
	sub := s.subs[filter]
	delete(s.subs, filter)
	s.mu.Unlock()
	if sub == nil {
		return false
	}
	s.b.subs.remove(sub)
	return true
}
