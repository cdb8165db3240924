package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/internal/mqtt"
)

var errClosed = errors.New("the upstream closed the connection")

// arrival is a message from the upstream on its way to our broker.
type arrival struct {
	msg mqtt.Message
	id  uint16
}

// arrived checks and renames a PUBLISH and hands it to deliver. While our broker is
// slow it blocks, and with it the upstream: nothing that asks for an acknowledgement is
// dropped here.
func (l *link) arrived(ctx context.Context, f mqtt.Frame, inbound chan<- arrival) error {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, l.level, &p); err != nil {
		return err
	}
	remote := string(p.Topic)
	if err := mqtt.CheckTopic(remote); err != nil {
		return fmt.Errorf("PUBLISH: %w", err)
	}
	if p.QoS == 2 && l.b.ledger.taken(p.ID) {
		l.answer(2, p.ID) // [MQTT-4.3.3-2]: once is enough
		return nil
	}
	a := arrival{id: p.ID}
	rule, local := l.b.rules.fetch(remote)
	if rule == nil {
		// A subscription of an earlier configuration, kept in our session.
		l.b.ignored.Add(1)
		l.answer(p.QoS, p.ID)
		return nil
	}
	a.msg = mqtt.Message{
		Topic:   local,
		Payload: append([]byte(nil), p.Payload...),
		QoS:     p.QoS,
		Retain:  p.Retain && rule.Retain,
		Origin:  l.b.origin,
		Time:    time.Now(),
	}
	if err := a.properties(&p, rule); err != nil {
		return err
	}
	if why := l.unwanted(remote, &a.msg, rule); why != "" {
		l.b.ignored.Add(1)
		l.b.log.Debug("ignored from upstream", "topic", remote, "why", why)
		l.answer(p.QoS, p.ID)
		return nil
	}
	select {
	case inbound <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwanted says why a message that came down goes no further, or "".
func (l *link) unwanted(remote string, m *mqtt.Message, rule *inRule) string {
	b := l.b
	switch {
	case visited(m.Properties, b.opt.Node), visits(m.Properties) >= hopsMax:
		return "it has been here before"
	case l.level != mqtt.Level5 && b.isEcho(remote, m.Payload):
		return "it is ours"
	case l.kept && !rule.Queue && !l.standing():
		// From the session that the upstream kept for other reasons: an order of
		// yesterday. (In a new session the upstream may send before it answers the
		// SUBSCRIBE, 3.8.4.)
		return "it waited while we were away"
	}
	return ""
}

// standing reports whether the upstream has answered our subscription on this connection.
func (l *link) standing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subscribed
}

// properties keeps those of MQTT 5 that travel with a message, and makes the rule's
// expire the message's own, so that it also holds in the queues of our broker.
func (a *arrival) properties(p *mqtt.Publish, rule *inRule) error {
	props, err := mqtt.ParsePublishProperties(p.Forward(nil))
	if err != nil {
		return err
	}
	expiry, has := p.Expiry, p.HasExpiry
	if rule.Expire > 0 {
		limit := uint32(max(1, rule.Expire/time.Second))
		if !has || limit < expiry {
			expiry, has = limit, true
		}
	}
	if has {
		if props == nil {
			props = new(mqtt.PublishProperties)
		}
		props.MessageExpiry, props.HasExpiry = expiry, true
	}
	a.msg.Properties = props
	return nil
}

// deliver publishes to our broker, in order, and acknowledges what was taken. What
// could not be taken is not acknowledged: the upstream keeps it for the next connection.
func (l *link) deliver(ctx context.Context, inbound <-chan arrival) {
	for a := range inbound {
		if err := l.b.opt.Local.Publish(ctx, a.msg); err != nil {
			if ctx.Err() == nil {
				l.fail(fmt.Errorf("our broker does not take %s: %w", a.msg.Topic, err))
			}
			continue
		}
		l.b.received.Add(1)
		if a.msg.QoS == 2 {
			l.b.ledger.take(a.id)
		}
		l.answer(a.msg.QoS, a.id)
	}
}

// answer acknowledges a PUBLISH.
func (l *link) answer(qos byte, id uint16) {
	l.mu.Lock()
	switch qos {
	case 1:
		l.answers = mqtt.AppendAck(l.answers, mqtt.PUBACK, l.level, id, mqtt.Success)
	case 2:
		l.exactly = mqtt.AppendAck(l.exactly, mqtt.PUBREC, l.level, id, mqtt.Success)
	}
	l.mu.Unlock()
	l.nudge()
}

// released answers a PUBREL.
func (l *link) released(id uint16) {
	l.b.ledger.release(id)
	l.mu.Lock()
	l.exactly = mqtt.AppendAck(l.exactly, mqtt.PUBCOMP, l.level, id, mqtt.Success)
	l.mu.Unlock()
	l.nudge()
}

// subscribeAnswer looks whether every subscription was granted.
func (l *link) subscribeAnswer(f mqtt.Frame) error {
	id, codes, err := mqtt.ParseSuback(f, l.level)
	if err != nil {
		return err
	}
	first := int(subscribeID-id) * subscribeMax
	for i, code := range codes {
		if n := first + i; code >= mqtt.Unspecified && n < len(l.b.rules.in) {
			text := fmt.Sprintf("the upstream refuses the subscription to %s: %v", l.b.rules.in[n].rename.Filter(), code)
			l.b.log.Error("rule without effect", "err", text)
			l.b.setState(func(s *State) { s.Err = text })
		}
	}
	l.mu.Lock()
	l.unanswered--
	l.subscribed = l.unanswered <= 0
	l.mu.Unlock()
	l.nudge()
	return nil
}
