package broker

import (
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
		if t.setLocked(p.route.topic, nil) {
			b.journal.Delete(key, class)
		}
		return 0
	}
	r := keep(p)
	if !t.setLocked(p.route.topic, r) {
		b.drop(&b.count.full)
		return 0
	}
	b.journal.Put(key, mqtt.AppendRecord(nil, r.view()), class, waiter, token)
	if waiter == nil {
		return 0
	}
	return 1
}

// restoreRetained reads what an previous run kept. A record that cannot be read costs
// itself only.
func (b *Broker) restoreRetained() {
	b.retained.mu.Lock()
	defer b.retained.mu.Unlock()
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
		b.retained.setLocked(topic, keep(&p))
	}
}

// sendRetained sends s what is retained for a filter it has just subscribed to.
func (w *worker) sendRetained(s *session, sub *subscription) {
	found := append(w.b.retained.match(sub.Filter, w.now), w.b.sysRetained(sub.Filter)...)
	for _, r := range found {
		if !w.b.permissions.Load().MayRead(s.who.Load(), r.route.topic) {
			w.b.drop(&w.b.count.denied)
			continue
		}
		t := target{session: s}
		t.merge(sub)
		p := r.publication // its encodings belong to this batch
		if min(p.qos, t.qos) > 0 && s.isPersistent() {
			at := len(w.targets)
			w.targets = append(w.targets, t)
			queues := len(w.queues)
			w.queues = append(w.queues, s.queue)
			w.addRecord(&p, span{at, at + 1}, queues, false, nil, 0)
			w.waiting[len(w.waiting)-1].current = r
			continue
		}
		w.deliver(&p, &t, true)
	}
}
