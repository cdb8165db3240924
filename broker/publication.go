package broker

import (
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// view is message without copies, for what is used up at once.
func (p *publication) view() mqtt.Message {
	return mqtt.Message{
		Topic: p.route.topic, Payload: p.payload, QoS: p.qos, Retain: p.retain, Origin: p.origin, Time: p.at,
		Properties: p.properties(),
	}
}

// publication is a message on its way through one batch. Its bytes belong to the batch.
type publication struct {
	route     *route
	payload   []byte
	qos       byte
	retain    bool
	props     []byte // MQTT 5 properties that travel with it, without the expiry
	hasExpiry bool
	expiry    uint32 // seconds, as it came in
	at        time.Time
	origin    string
	account   *budget.Account // that pays for what is kept of it; nil: see worker.retain
	from      *session        // nil for our own publishers and wills
	id        uint16          // QoS 2 from a persistent session or an upstream: its packet id, to be remembered with the record
	once      *journal.Queue  // of an upstream: the queue that remembers it; nil for a session, which has its own
	onceSeq   *journal.Seq    // where the number of the record goes

	asRetained bool // sent because of a new subscription: the retain flag stays

	enc [4]encoding
}

// encoding is a ready PUBLISH packet, the same for all who get it in this form.
type encoding struct {
	frame []byte
	idAt  int
}

func encodingIndex(level, qos byte) int {
	i := 0
	if level == mqtt.Level5 {
		i = 2
	}
	if qos > 0 {
		i++
	}
	return i
}

// idOffset returns where the packet id stands in a PUBLISH.
func idOffset(frame []byte, topic int) int {
	at := 2
	for frame[at-1] >= 0x80 {
		at++
	}
	return at + 2 + topic
}

// left is the message expiry interval that remains at now.
func (p *publication) left(now time.Time) uint32 {
	gone := int64(now.Sub(p.at) / time.Second)
	return uint32(max(0, int64(p.expiry)-gone))
}

func (p *publication) expired(now time.Time) bool {
	return expired(p.hasExpiry, p.expiry, p.at, now)
}

func expired(hasExpiry bool, expiry uint32, at, now time.Time) bool {
	return hasExpiry && now.Sub(at) >= time.Duration(expiry)*time.Second
}

// message makes the value that our own subscribers and the journal get. Nothing of it
// aliases the batch.
func (p *publication) message() mqtt.Message {
	m := mqtt.Message{
		Topic:   p.route.topic,
		Payload: append(make([]byte, 0, len(p.payload)), p.payload...),
		QoS:     p.qos,
		Retain:  p.retain,
		Origin:  p.origin,
		Time:    p.at,
	}
	if p.from != nil {
		m.Publisher = p.from.who.Load()
	}
	m.Properties = p.properties()
	return m
}

func (p *publication) properties() *mqtt.PublishProperties {
	// Checked when they came in, so there is no error to return.
	props, _ := mqtt.ParsePublishProperties(p.props)
	if p.hasExpiry {
		if props == nil {
			props = new(mqtt.PublishProperties)
		}
		props.MessageExpiry, props.HasExpiry = p.expiry, true
	}
	return props
}

// remembers is the queue that holds the record until the packet id is free again: message
// and id survive together or not at all.
func (p *publication) remembers() *journal.Queue {
	if p.from != nil {
		return p.from.inbound
	}
	return p.once
}

// recorded notes the number of the record that holds a message with a packet id, or one of ours.
func (p *publication) recorded(seq journal.Seq) {
	switch {
	case p.from != nil:
		if p.id != 0 {
			p.from.received.recorded(p.id, seq)
		}
	case p.onceSeq != nil:
		*p.onceSeq = seq
	}
}

// fanOutBytes is how much one message may take in the outputs of its subscribers at once;
// more of it is sent in slices, between which others have their turn. It is copied in
// about 2 ms on a Pi 3.
const fanOutBytes = 2 << 20

// fanOutSlice is how many bytes are copied between two looks at the clock.
const fanOutSlice = 128 << 10

// packetOverhead is about what a PUBLISH takes beside its payload, lock and window
// included.
const packetOverhead = 200

// size is about what p takes in the output of each who gets it, lock and window included.
func (p *publication) size() int { return len(p.payload) + len(p.props) + packetOverhead }

// ackReason informs a client of MQTT 5 when nobody has subscribed (3.4.2.1).
func (c *conn) ackReason(r *route) mqtt.Reason {
	if c.level == mqtt.Level5 && len(r.targets)+len(r.groups)+len(r.spools)+len(r.locals) == 0 {
		return mqtt.NoMatchingSubscribers
	}
	return mqtt.Success
}
