package broker

import (
	"time"

	"sensorgate/internal/mqtt"
)

// delayedWill is a will that is published later, unless the client comes back
// (3.1.3.2.2, v5).
type delayedWill struct {
	will *mqtt.Will
	from *session
	at   time.Time
	fee  int64 // bytes that the account has for it
}

// lastWill decides about the will of a connection that has ended: none after DISCONNECT
// [MQTT-3.14.4-3], later if it has a delay and the session goes on, else now.
func (b *Broker) lastWill(c *conn, ends bool) (later *delayedWill) {
	if c.will == nil || c.clean {
		return nil
	}
	dw := &delayedWill{will: c.will, from: c.session}
	if delay := time.Duration(c.will.Delay) * time.Second; delay > 0 && !ends {
		dw.at = time.Now().Add(delay)
		dw.fee, c.willFee = c.willFee, 0
		return dw
	}
	b.publishWill(dw)
	return nil
}

// publishWill publishes a will, with the permissions that its client has now.
func (b *Broker) publishWill(dw *delayedWill) {
	w := b.worker()
	defer w.release()
	will := dw.will
	r := w.routeString(will.Topic)
	if r.err != nil || !b.permissions.Load().MayWrite(dw.from.who.Load(), will.Topic) {
		b.drop(&b.count.denied)
		return
	}
	p := &w.pub
	*p = publication{
		route: r, payload: will.Payload, qos: will.QoS, retain: will.Retain, at: w.now,
		origin: dw.from.origin, account: dw.from.account,
	}
	if props := will.Properties; props != nil {
		p.hasExpiry, p.expiry = props.HasExpiry, props.MessageExpiry
		plain := *props
		plain.HasExpiry = false
		w.props = mqtt.AppendPublishProperties(w.props[:0], &plain, 0)
		p.props = w.props
	}
	w.publish(p, nil, 0)
}
