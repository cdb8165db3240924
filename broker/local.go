package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Subscribe calls f with every message whose topic matches the filter: with the retained
// ones first, then with each as it comes, on the goroutine of its publisher. Retain is as
// published. f must not block and must not change the message. After cancel returned, f
// is not called for a message that is published then. An invalid filter is a fault
// of the program and panics.
func (b *Broker) Subscribe(filter string, f func(*mqtt.Message)) (cancel func()) {
	if err := mqtt.CheckFilter(filter); err != nil {
		panic(fmt.Sprintf("broker: subscribe to %q: %v", filter, err))
	}
	l := &local{f: f}
	sub := &subscription{Subscription: mqtt.Subscription{Filter: filter, QoS: 2}, Subscriber: subscriber{local: l}}
	b.subs.Add(sub)
	b.own.Force(budget.Subscriptions, subscriptionFee(filter)+sub.NodeBytes())
	w := b.worker()
	found := b.retained.match(filter, w.now)
	w.release()
	for _, r := range found {
		m := b.retained.message(r)
		f(&m)
	}
	l.open()
	return func() {
		b.own.Force(budget.Subscriptions, -subscriptionFee(filter)-b.subs.Remove(sub))
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
	}
}

// open delivers what came in meanwhile and lets the rest through.
func (l *local) open() {
	for {
		l.mu.Lock()
		if len(l.backlog) == 0 {
			l.ready = true
			l.mu.Unlock()
			return
		}
		backlog := l.backlog
		l.backlog = nil
		l.mu.Unlock()
		for _, m := range backlog {
			l.f(m)
		}
	}
}

// Publish publishes m for a part of this process: a device with Origin "", a bridge with
// Origin "bridge/NAME". When it returns nil the message is retained if it is to be, all
// connected subscribers have it in their output, and it is appended for every durable
// consumer; it need not be on disk yet. journal.ErrFull says that a consumer with the
// policy refuse has no room, and then no durable subscriber has the message.
//
// Publish waits while the journal is too far behind, until ctx ends; it never waits for
// a subscriber.
func (b *Broker) Publish(ctx context.Context, m mqtt.Message) error {
	_, err := b.publishOwn(ctx, m, nil, 0)
	return err
}

// PublishOnce is Publish for a message from an upstream; seq is its record, 0 if no durable
// subscriber gets it. Of a message of QoS 2 q has the record too, with the packet id, until it
// acknowledges seq: after a power cut the message and the id are both there or both gone.
// One of QoS 1 has neither (nil and 0).
func (b *Broker) PublishOnce(ctx context.Context, m mqtt.Message, q *journal.Queue, id uint16) (seq journal.Seq, err error) {
	return b.publishOwn(ctx, m, q, id)
}

func (b *Broker) publishOwn(ctx context.Context, m mqtt.Message, once *journal.Queue, id uint16) (seq journal.Seq, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.QoS > 2 {
		return 0, fmt.Errorf("publish to %q: QoS %d", m.Topic, m.QoS)
	}
	w := b.worker()
	defer w.release()
	r := w.routeString(m.Topic)
	if !r.isTopic() {
		return 0, fmt.Errorf("publish to %q: %w", m.Topic, mqtt.CheckTopic(m.Topic))
	}
	if m.Retain || m.QoS > 0 && (r.durable || r.rest != nil) {
		if err := b.waitForDisk(ctx); err != nil {
			return 0, err
		}
	}
	p := &w.pub
	*p = publication{
		route: r, payload: m.Payload, qos: m.QoS, retain: m.Retain, at: w.now, origin: m.Origin,
	}
	p.id, p.once, p.onceSeq = id, once, &seq
	if !m.Time.IsZero() {
		p.at = m.Time
	}
	if props := m.Properties; props != nil {
		p.hasExpiry, p.expiry = props.HasExpiry, props.MessageExpiry
		plain := *props
		plain.HasExpiry = false
		w.props = mqtt.AppendPublishProperties(w.props[:0], &plain, 0)
		p.props = w.props
	}
	w.publish(p, nil, 0)
	if w.commit() > 0 {
		return 0, fmt.Errorf("publish to %q: %w", m.Topic, journal.ErrFull)
	}
	return seq, nil
}

// PublisherMay reports whether whoever published m may publish to topic now: what is
// published because m asked for it, an answer on its response topic, must not go where
// its sender could not publish. For a message of this process or of a bridge the caller
// decides; of a client's message that was stored in between, or whose user was removed
// since, the answer is no.
func (b *Broker) PublisherMay(m *mqtt.Message, topic string) bool {
	if ownTopic(topic) {
		return false
	}
	who, ok := m.Publisher.(*permissions.Identity)
	if !ok {
		return !strings.HasPrefix(m.Origin, originClient)
	}
	p := b.permissions.Load()
	return !p.Revokes(who) && p.MayWrite(who, topic)
}

// waitForDisk waits until the journal is not far behind, with no lock that others need:
// Append would wait with several.
func (b *Broker) waitForDisk(ctx context.Context) error {
	for b.journal.Behind() {
		select {
		case <-time.After(diskPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Attach makes q a durable subscriber of what matches the filters, but for messages that
// the bridge of that name has brought in itself. A second Attach replaces queue and
// filters, without a moment in which a message is missed.
func (b *Broker) Attach(name string, filters []string, q *journal.Queue) {
	sp := &spool{origin: originBridge + name, queue: q}
	for _, filter := range filters {
		if err := mqtt.CheckFilter(filter); err != nil {
			panic(fmt.Sprintf("broker: attach %s to %q: %v", name, filter, err))
		}
		sub := &subscription{Subscription: mqtt.Subscription{Filter: filter, QoS: 2}, Subscriber: subscriber{spool: sp}}
		sp.subs = append(sp.subs, sub)
	}
	b.mu.Lock()
	old := b.spools[name]
	b.spools[name] = sp
	b.mu.Unlock()
	b.own.Force(budget.Subscriptions, b.subs.Replace(old.filters(), sp.subs))
}

// Detach ends what Attach began. What waits in the queue stays there.
func (b *Broker) Detach(name string) {
	b.mu.Lock()
	old := b.spools[name]
	delete(b.spools, name)
	b.mu.Unlock()
	b.own.Force(budget.Subscriptions, b.subs.Replace(old.filters(), nil))
}
