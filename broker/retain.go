package broker

import (
	"strings"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// retain stores p, or removes what was stored if p has no payload [MQTT-3.3.1-6,
// 3.3.1-7]. needs is 1 if waiter will hear of the commit.
func (w *worker) retain(p *publication, waiter journal.Waiter, token uint64) (needs int) {
	b := w.b
	key := keyRetained + p.route.topic
	class := journal.Telemetry
	if waiter != nil {
		class = journal.Event
	}
	t := &b.retained
	// Under the lock, so that the journal sees the messages of a topic in the same order.
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p.payload) == 0 {
		if t.removeLocked(p.route.topic) {
			b.journal.Delete(key, class)
		}
		if waiter == nil {
			return 0
		}
		// Also if there was none: the removal that made it so may not be on disk yet.
		b.journal.Put(keyBarrier, nil, class, waiter, token)
		return 1
	}
	account := p.account
	switch {
	case account != nil:
	case strings.HasPrefix(p.origin, originBridge):
		account = b.accountOf(p.origin)
		defer account.Close()
	default:
		account = b.own
	}
	// Asked before the message is copied: who sends much that is refused must not keep the
	// collector busy.
	if account != b.own && !t.fitsLocked(account, p.route.topic, len(p.payload)+len(p.props)) {
		b.drop(&b.count.full)
		return 0
	}
	r := keep(p)
	r.account = account
	if !t.setLocked(r, account == b.own) {
		b.drop(&b.count.full)
		return 0
	}
	b.journal.Put(key, mqtt.AppendRecord(nil, b.stamped(p)), class, waiter, token)
	if waiter == nil {
		return 0
	}
	return 1
}

// accountOf returns the account of an upstream. No client has one of that name: client ids have
// no U+0000 [MQTT-1.5.3-2; v5: 1.5.4-2].
func (b *Broker) accountOf(origin string) *budget.Account {
	return b.memory.Client("", "\x00"+origin)
}

// stamped is the message as it is kept over a restart. The time from which an expiry counts is
// that of the journal's clock; while that is not set it says nothing, and is left out.
func (b *Broker) stamped(p *publication) *mqtt.Message {
	m := p.view()
	if p.hasExpiry {
		stamp, ok := b.journal.Stamp(p.at)
		if m.Time = stamp; !ok {
			m.Time = time.Time{}
		}
	}
	return &m
}

// restoreRetained reads what a previous run kept. A record that cannot be read costs
// itself only.
func (b *Broker) restoreRetained() {
	b.retained.mu.Lock()
	defer b.retained.mu.Unlock()
	b.retained.unsure = map[*retained]struct{}{}
	for _, key := range b.journal.Keys(keyRetained) {
		rec, ok := b.journal.Get(key)
		if !ok {
			continue
		}
		v, err := mqtt.ViewRecord(rec)
		topic := string(v.Topic)
		if err == nil {
			err = mqtt.CheckTopic(topic)
		}
		if err != nil {
			b.log.Warn("a retained message cannot be read and is left out", "key", key, "err", err)
			continue
		}
		p := publication{
			route: &route{topic: topic}, payload: v.Payload, props: v.AppendProperties(nil), qos: v.QoS,
			at: v.Time, origin: string(v.Origin),
		}
		p.hasExpiry, p.expiry = v.Expiry()
		r := keep(&p)
		if p.hasExpiry { // on the monotonic clock from here on
			if r.at = time.Now(); !v.Time.IsZero() {
				r.stamp = v.Time.UnixNano()
				b.retained.unsure[r] = struct{}{}
			}
		}
		r.account = b.own
		if id, ok := strings.CutPrefix(p.origin, originClient); ok {
			r.account = b.memory.Client("", id)
		} else if p.origin != "" {
			r.account = b.accountOf(p.origin)
		}
		b.retained.setLocked(r, true)
		r.account.Close() // the store holds it
	}
}
