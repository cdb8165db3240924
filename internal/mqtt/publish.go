package mqtt

// Publish is a PUBLISH as it stands in a packet. Its slices alias the packet.
type Publish struct {
	Topic   []byte // not yet checked: CheckTopic, once per topic
	ID      uint16 // 0 with QoS 0
	QoS     byte
	Dup     bool
	Retain  bool
	Payload []byte

	// MQTT 5
	Props     []byte // all of them, without the length before them
	Alias     uint16 // 0: none
	Expiry    uint32 // seconds, with HasExpiry
	HasExpiry bool

	aliasAt, expiryAt int // places in Props
	subIDs            bool
	noResponse        bool // a response topic that is empty
}

var errSubIDFromClient = &Error{ProtocolError, "subscription identifier in a PUBLISH to the server"}

// ParsePublish reads the body of a PUBLISH (3.3) into p. It allocates nothing.
func ParsePublish(f Frame, level byte, p *Publish) error { return p.Parse(&f, level) }

// Parse is ParsePublish without a copy of the frame.
func (p *Publish) Parse(f *Frame, level byte) error {
	*p = Publish{QoS: f.Flags >> 1 & 3, Dup: f.Flags&8 != 0, Retain: f.Flags&1 != 0}
	switch {
	case p.QoS == 3: // [MQTT-3.3.1-4]
		return errQoS3
	case p.Dup && p.QoS == 0: // [MQTT-3.3.1-2]
		return errDupQoS0
	}
	r := reader{b: f.Body}
	p.Topic = r.binary()
	if p.QoS > 0 {
		if p.ID = r.u16(); p.ID == 0 && r.err == nil { // [MQTT-2.3.1-1; v5: 2.2.1-3]
			return errPacketID
		}
	}
	if level == Level5 {
		p.properties(&r)
	}
	if r.err != nil {
		return r.err
	}
	p.Payload = r.b
	return nil
}

func (p *Publish) properties(r *reader) {
	if len(r.b) > 0 && r.b[0] == 0 { // none: the most frequent case
		r.b = r.b[1:]
		return
	}
	pr := r.properties(PUBLISH)
	p.Props = pr.r.b
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		at := len(p.Props) - len(pr.r.b) - len(v.raw)
		switch v.id {
		case propTopicAlias:
			p.Alias, p.aliasAt = uint16(v.num), at
		case propMessageExpiry:
			p.Expiry, p.HasExpiry, p.expiryAt = v.num, true, at
		case propSubscriptionID:
			p.subIDs = true
		case propResponseTopic:
			// A response topic must not have wildcards [MQTT-3.3.2-14].
			if hasWildcard(v.data) {
				pr.r.fail(errPropertyVal)
			}
			p.noResponse = len(v.data) == 0
		}
	}
	if pr.r.err != nil {
		r.fail(pr.r.err)
	}
}

func hasWildcard(topic []byte) bool {
	for _, c := range topic {
		if c == '+' || c == '#' {
			return true
		}
	}
	return false
}

// FromClient reports what a client must not send: a subscription identifier
// [MQTT-3.3.4-6], and a response topic that no topic can be [MQTT-4.7.3-1]. From a server
// the latter is forgiven: it would come again after every reconnect.
func (p *Publish) FromClient() error {
	switch {
	case p.subIDs:
		return errSubIDFromClient
	case p.noResponse:
		return errPropertyVal
	}
	return nil
}

// Forward appends the properties that travel with the message, in their order: all but
// topic alias, message expiry and subscription identifiers, which are written anew for
// each receiver. Without any of these it returns Props itself and copies nothing.
func (p *Publish) Forward(scratch []byte) []byte {
	if p.Alias == 0 && !p.HasExpiry && !p.subIDs {
		return p.Props
	}
	pr := propReader{r: reader{b: p.Props}, in: PUBLISH}
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		switch v.id {
		case propTopicAlias, propMessageExpiry, propSubscriptionID:
		default:
			scratch = append(scratch, v.raw...)
		}
	}
	return scratch
}

// EachSubscriptionID calls f with the subscription identifiers of a PUBLISH from a
// server.
func (p *Publish) EachSubscriptionID(f func(uint32)) {
	pr := propReader{r: reader{b: p.Props}, in: PUBLISH}
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		if v.id == propSubscriptionID {
			f(v.num)
		}
	}
}

// PublishFlags returns the low half of the first byte of a PUBLISH.
func PublishFlags(qos byte, dup, retain bool) byte {
	flags := qos << 1
	if dup {
		flags |= 8
	}
	if retain {
		flags |= 1
	}
	return flags
}

// AppendPublish appends a whole PUBLISH. props are the properties without their length;
// they are written at level 5 only. id is written for QoS 1 and 2 only.
func AppendPublish(dst []byte, level, flags byte, topic string, id uint16, props, payload []byte) []byte {
	rem := 2 + len(topic) + len(payload)
	if flags&6 != 0 {
		rem += 2
	}
	if level == Level5 {
		rem += VarintLen(len(props)) + len(props)
	}
	dst = append(dst, byte(PUBLISH)<<4|flags)
	dst = AppendVarint(dst, rem)
	dst = appendString(dst, topic)
	if flags&6 != 0 {
		dst = append(dst, byte(id>>8), byte(id))
	}
	if level == Level5 {
		dst = AppendVarint(dst, len(props))
		dst = append(dst, props...)
	}
	return append(dst, payload...)
}

// PublishSize is the length of what AppendPublish appends.
func PublishSize(level, qos byte, topic, props, payload int) int {
	rem := 2 + topic + payload
	if qos > 0 {
		rem += 2
	}
	if level == Level5 {
		rem += VarintLen(props) + props
	}
	return 1 + VarintLen(rem) + rem
}
