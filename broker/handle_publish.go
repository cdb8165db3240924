package broker

import (
	"encoding/binary"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// maxReceived bounds the QoS 2 messages of a client that wait for its PUBREL; it is also
// the receive maximum we announce (3.2.2.3.3, v5).
const maxReceived = 4096

var (
	errProperties  = mqtt.NewError(mqtt.QuotaExceeded, "more than 64 KiB of properties")
	errAliasRange  = mqtt.NewError(mqtt.TopicAliasInvalid, "topic alias is greater than the maximum")
	errTopicEmpty  = mqtt.NewError(mqtt.ProtocolError, "topic name is empty and there is no topic alias")
	errAliasUnset  = mqtt.NewError(mqtt.ProtocolError, "topic alias that was not set")
	errAliasMemory = mqtt.NewError(mqtt.QuotaExceeded, "no memory left for a topic alias")
	errQoS         = mqtt.NewError(mqtt.QoSNotSupported, "QoS is higher than the maximum")
	errReceiveMax  = mqtt.NewError(mqtt.ReceiveMaximumExceeded, "more unfinished QoS 2 messages than the receive maximum")
)

// maxProperties bounds the properties of a PUBLISH, in bytes. The standard has no bound;
// but each of them is looked at several times, and a megabyte of short ones would keep
// all other clients waiting.
const maxProperties = 64 << 10

// propertiesLength returns the length of the properties of a PUBLISH of MQTT 5, which
// follows topic and packet id (3.3.2); 0 if the packet is too short to have one.
func propertiesLength(f *mqtt.Frame) int {
	b := f.Body
	if len(b) < 2 {
		return 0
	}
	at := 2 + int(b[0])<<8 + int(b[1])
	if f.Flags&6 != 0 {
		at += 2
	}
	if at > len(b) {
		return 0
	}
	n, _ := binary.Uvarint(b[at:min(len(b), at+4)]) // a Variable Byte Integer is one (1.5.5)
	return int(n)
}

// handlePublish carries a PUBLISH to all who want it and acknowledges it, or, when a
// durable subscriber wants it, has it acknowledged as soon as it is on disk.
func (c *conn) handlePublish(w *worker, f *mqtt.Frame) error {
	if c.level == mqtt.Level5 && len(f.Body) > maxProperties && propertiesLength(f) > maxProperties {
		return errProperties // before all of them are looked at
	}
	in := &w.in
	if err := in.Parse(f, c.level); err != nil {
		return err
	}
	if err := c.mayPublish(in); err != nil {
		return err
	}
	r := w.routes[string(in.Topic)]
	if in.Alias != 0 || !w.isCurrent(r) {
		var err error
		if r, err = c.routeOf(w, in); err != nil {
			return err
		}
	}
	if (in.Retain || in.QoS > 0 && (r.durable || r.rest != nil)) && w.mustNotWait() {
		return errDisk
	}
	if in.QoS == 2 {
		again, n := c.session.received.add(in.ID)
		if again {
			return c.publishedAgain(in.ID)
		}
		c.session.recountReceived(n)
		if n > c.limits.receiveMaximum(c.level) { // [MQTT-3.3.4-7, v5]
			return errReceiveMax
		}
	}
	if reason := c.mayNotPublish(r); reason != mqtt.Success {
		w.b.drop(&w.b.count.denied)
		return c.acknowledge(in.QoS, in.ID, reason)
	}
	if in.Retain && c.level == mqtt.Level5 && in.QoS > 0 && len(in.Payload) > 0 &&
		!c.b.retained.fits(c.session.account, r.topic, len(in.Payload)+len(in.Props)) {
		c.b.drop(&c.b.count.full)
		return c.acknowledge(in.QoS, in.ID, mqtt.QuotaExceeded)
	}
	p := &w.pub
	*p = publication{
		route: r, payload: in.Payload, qos: in.QoS, retain: in.Retain,
		hasExpiry: in.HasExpiry, expiry: in.Expiry, at: w.now, origin: c.session.origin, from: c.session, account: c.session.account,
	}
	w.props = in.Forward(w.props[:0])
	p.props = w.props
	if c.level != mqtt.Level5 && in.QoS <= 1 {
		// What came in is what goes out to everybody at the same level and QoS.
		p.enc[encodingIndex(c.level, in.QoS)] = encoding{f.Raw, idOffset(f.Raw, len(in.Topic))}
	}
	return c.publish(w, p, in.ID)
}

// mayPublish returns what ends the connection of a client that sends such a PUBLISH.
func (c *conn) mayPublish(in *mqtt.Publish) error {
	if in.QoS > c.limits.maxQoS() { // [MQTT-3.2.2-11, v5]; below level 5 a fault like any other
		return errQoS
	}
	return in.FromClient()
}

// publish sends p on and acknowledges it.
func (c *conn) publish(w *worker, p *publication, id uint16) error {
	if p.qos == 0 {
		w.publish(p, nil, 0)
		return nil
	}
	typ := mqtt.PUBACK
	if p.qos == 2 {
		typ = mqtt.PUBREC
		if c.session.inbound != nil {
			p.id = id
		}
	}
	if !p.route.durable && p.route.rest == nil && !p.retain && c.acks.empty() {
		w.publish(p, nil, 0)
		return c.acknowledge(p.qos, id, c.ackReason(p.route))
	}
	token := c.acks.open(ack{typ: typ, id: id})
	if needs := w.publish(p, c, token); needs != notKnown {
		c.acks.expect(token, needs, c.ackReason(p.route))
	}
	return nil
}

// publishedAgain answers a QoS 2 PUBLISH that came before [MQTT-4.3.3-2]. If the first
// one may still be on its way to the disk, so is what makes this PUBREC wait.
func (c *conn) publishedAgain(id uint16) error {
	if c.session.inbound == nil {
		return c.acknowledge(2, id, mqtt.Success)
	}
	token := c.acks.open(ack{typ: mqtt.PUBREC, id: id, put: c.nextPut()})
	c.acks.expect(token, 0, mqtt.Success)
	c.session.inDirty = true
	return nil
}

// routeOf returns the route of the topic, or of the alias for it (3.3.2.3.4, v5).
func (c *conn) routeOf(w *worker, in *mqtt.Publish) (*route, error) {
	if in.Alias == 0 {
		if len(in.Topic) == 0 {
			return nil, errTopicEmpty // 3.3.2.1, v5; [MQTT-4.7.3-1]
		}
		return c.routeInTurn(w, in.Topic)
	}
	if in.Alias > maxAliases { // [MQTT-3.3.2-9]
		return nil, errAliasRange
	}
	if c.aliasesIn == nil {
		c.aliasesIn = make([]string, maxAliases+1)
	}
	if len(in.Topic) > 0 {
		r, err := c.routeInTurn(w, in.Topic)
		if err == nil {
			err = c.setAlias(in.Alias, r.topic)
		}
		return r, err
	}
	topic := c.aliasesIn[in.Alias]
	if topic == "" {
		return nil, errAliasUnset
	}
	r := w.routes[topic]
	if !w.isCurrent(r) {
		return w.workOut(r, topic) // it was checked when the alias was set
	}
	return r, nil
}

// routeInTurn returns the route of topic, or errTurn.
func (c *conn) routeInTurn(w *worker, topic []byte) (*route, error) {
	r := w.routes[string(topic)]
	if !w.isCurrent(r) {
		var err error
		if r, err = w.workOut(r, string(topic)); err != nil {
			return nil, err
		}
	}
	return c.checked(r)
}

// setAlias notes the topic of an alias; the client pays for it.
func (c *conn) setAlias(alias uint16, topic string) error {
	fee := int64(len(topic) - len(c.aliasesIn[alias]))
	if c.aliasesIn[alias] == "" {
		fee += aliasCost
	}
	if !c.account.Charge(budget.Aliases, fee) {
		return errAliasMemory
	}
	c.aliasFee += fee
	c.aliasesIn[alias] = topic
	return nil
}

// checked returns what closes the connection: a topic name that is none [MQTT-3.3.2-2].
// A topic that is only not allowed costs the message.
func (c *conn) checked(r *route) (*route, error) {
	if !r.isTopic() {
		return nil, r.err
	}
	return r, nil
}

// mayNotPublish returns the reason why c may not publish there.
func (c *conn) mayNotPublish(r *route) mqtt.Reason {
	if r.err != nil {
		return r.err.Reason
	}
	if !c.b.permissions.Load().MayWrite(c.session.who.Load(), r.topic) {
		return mqtt.NotAuthorized
	}
	return mqtt.Success
}
