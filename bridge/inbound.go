package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/internal/journal"
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
func (c *connection) arrived(ctx context.Context, f mqtt.Frame, inbound chan<- arrival) error {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
		return err
	}
	remote := string(p.Topic)
	if err := mqtt.CheckTopic(remote); err == mqtt.ErrTopicLevels {
		// Well-formed, and more than we take. Ending the connection would end every one:
		// the upstream sends it again.
		c.b.ignored.Add(1)
		c.b.warn(time.Hour, "levels", "a message from the upstream has more topic levels than are taken and was dropped", "err", err)
		c.answer(p.QoS, p.ID)
		return nil
	} else if err != nil {
		return fmt.Errorf("PUBLISH: %w", err)
	}
	if p.QoS == 2 && c.b.ledger.taken(p.ID) {
		c.answer(2, p.ID) // [MQTT-4.3.3-2]: once is enough
		return nil
	}
	a := arrival{id: p.ID}
	rule, local := c.b.rules.fetch(remote)
	if rule == nil {
		// A subscription of an earlier configuration, kept in our session.
		c.b.ignored.Add(1)
		c.answer(p.QoS, p.ID)
		return nil
	}
	a.msg = mqtt.Message{
		Topic:   local,
		Payload: append([]byte(nil), p.Payload...),
		QoS:     p.QoS,
		Retain:  p.Retain && rule.Retain,
		Origin:  c.b.origin,
		Time:    time.Now(),
	}
	if err := a.properties(&p, rule); err != nil {
		return err
	}
	if why := c.unwanted(remote, &a.msg, rule); why != "" {
		c.b.ignored.Add(1)
		c.b.log.Debug("ignored from upstream", "topic", remote, "why", why)
		c.answer(p.QoS, p.ID)
		return nil
	}
	select {
	case inbound <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwanted returns why a message that came down goes no further, or "".
func (c *connection) unwanted(remote string, m *mqtt.Message, rule *inRule) string {
	b := c.b
	switch {
	case visited(m.Properties, b.opt.Node), visits(m.Properties) >= hopsMax:
		return "it has been here before"
	case c.level != mqtt.Level5 && b.isEcho(remote, m.Payload):
		return "it is ours"
	case c.kept && !rule.Queue && !c.standing():
		// From the session that the upstream kept for other reasons: a command of
		// yesterday. (In a new session the upstream may send before it answers the
		// SUBSCRIBE, 3.8.4.)
		return "it waited while we were away"
	}
	return ""
}

// standing reports whether the upstream has answered our subscription on this connection.
func (c *connection) standing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subscribed
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
func (c *connection) deliver(ctx context.Context, inbound <-chan arrival) {
	for a := range inbound {
		seq, err := c.handOver(ctx, &a)
		if err != nil {
			if ctx.Err() == nil {
				c.fail(fmt.Errorf("our broker does not take %s: %w", a.msg.Topic, err))
			}
			continue
		}
		c.b.received.Add(1)
		switch {
		case a.msg.QoS == 2:
			c.b.ledger.take(a.id, seq)
			c.answer(2, a.id)
		case a.msg.QoS == 1 && (seq != 0 || a.msg.Retain):
			c.out.acknowledgeStored(a.id)
			c.wake()
		default:
			c.answer(a.msg.QoS, a.id)
		}
	}
}

// handOver hands a message to our broker; seq is the record that holds it, 0 if none does.
func (c *connection) handOver(ctx context.Context, a *arrival) (seq journal.Seq, err error) {
	switch {
	case a.msg.QoS == 2 && c.b.opt.Inbound != nil:
		return c.b.opt.Local.PublishOnce(ctx, a.msg, c.b.opt.Inbound, a.id)
	case a.msg.QoS == 1:
		return c.b.opt.Local.PublishOnce(ctx, a.msg, nil, 0)
	}
	return 0, c.b.opt.Local.Publish(ctx, a.msg)
}

// answer acknowledges a PUBLISH.
func (c *connection) answer(qos byte, id uint16) {
	switch qos {
	case 1:
		c.out.acknowledge(mqtt.PUBACK, id)
	case 2:
		c.out.acknowledge(mqtt.PUBREC, id)
	}
	c.wake()
}

// released answers a PUBREL.
func (c *connection) released(id uint16) {
	// Before the ledger is written, so that both are on disk together.
	if seq := c.b.ledger.release(id); seq != 0 {
		c.b.opt.Inbound.Ack(seq)
	}
	c.out.acknowledge(mqtt.PUBCOMP, id)
	c.wake()
}

// subscribeAnswer looks whether every subscription was granted.
func (c *connection) subscribeAnswer(f mqtt.Frame) error {
	id, codes, err := mqtt.ParseSuback(f, c.level)
	if err != nil {
		return err
	}
	first := int(subscribeID-id) * subscribeMax
	for i, code := range codes {
		if n := first + i; code >= mqtt.Unspecified && n < len(c.b.rules.in) {
			text := fmt.Sprintf("the upstream refuses the subscription to %s: %v", c.b.rules.in[n].rename.Filter(), code)
			c.b.log.Error("rule without effect", "err", text)
			c.b.setState(func(s *State) { s.Err = text })
		}
	}
	c.mu.Lock()
	c.unanswered--
	c.subscribed = c.unanswered <= 0
	c.mu.Unlock()
	c.wake()
	return nil
}
