package mqtt

// Property identifiers of MQTT 5 (2.2.2.2).
const (
	propPayloadFormat    = 0x01
	propMessageExpiry    = 0x02
	propContentType      = 0x03
	propResponseTopic    = 0x08
	propCorrelationData  = 0x09
	propSubscriptionID   = 0x0B
	propSessionExpiry    = 0x11
	propAssignedClientID = 0x12
	propServerKeepAlive  = 0x13
	propAuthMethod       = 0x15
	propAuthData         = 0x16
	propRequestProblem   = 0x17
	propWillDelay        = 0x18
	propRequestResponse  = 0x19
	propResponseInfo     = 0x1A
	propServerReference  = 0x1C
	propReasonString     = 0x1F
	propReceiveMaximum   = 0x21
	propTopicAliasMax    = 0x22
	propTopicAlias       = 0x23
	propMaximumQoS       = 0x24
	propRetainAvailable  = 0x25
	propUser             = 0x26
	propMaximumPacket    = 0x27
	propWildcardAvail    = 0x28
	propSubIDAvail       = 0x29
	propSharedAvail      = 0x2A
	propCount            = 0x2B
)

// propKind is how a property's value is written.
type propKind byte

const (
	kindNone propKind = iota // no such property
	kindByte
	kindU16
	kindU32
	kindVarint
	kindText
	kindBinary
	kindPair
)

// inWill marks the will properties, which are a place of their own (3.1.3.2).
const inWill Type = 0

// propTable says of each property how it is written and in which packets it may
// stand: table 2-4 of the standard.
var propTable = [propCount]struct {
	kind propKind
	in   uint16 // bit per Type
}{
	propPayloadFormat:    {kindByte, packets(PUBLISH, inWill)},
	propMessageExpiry:    {kindU32, packets(PUBLISH, inWill)},
	propContentType:      {kindText, packets(PUBLISH, inWill)},
	propResponseTopic:    {kindText, packets(PUBLISH, inWill)},
	propCorrelationData:  {kindBinary, packets(PUBLISH, inWill)},
	propSubscriptionID:   {kindVarint, packets(PUBLISH, SUBSCRIBE)},
	propSessionExpiry:    {kindU32, packets(CONNECT, CONNACK, DISCONNECT)},
	propAssignedClientID: {kindText, packets(CONNACK)},
	propServerKeepAlive:  {kindU16, packets(CONNACK)},
	propAuthMethod:       {kindText, packets(CONNECT, CONNACK, AUTH)},
	propAuthData:         {kindBinary, packets(CONNECT, CONNACK, AUTH)},
	propRequestProblem:   {kindByte, packets(CONNECT)},
	propWillDelay:        {kindU32, packets(inWill)},
	propRequestResponse:  {kindByte, packets(CONNECT)},
	propResponseInfo:     {kindText, packets(CONNACK)},
	propServerReference:  {kindText, packets(CONNACK, DISCONNECT)},
	propReasonString: {kindText, packets(CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
		DISCONNECT, AUTH)},
	propReceiveMaximum:  {kindU16, packets(CONNECT, CONNACK)},
	propTopicAliasMax:   {kindU16, packets(CONNECT, CONNACK)},
	propTopicAlias:      {kindU16, packets(PUBLISH)},
	propMaximumQoS:      {kindByte, packets(CONNACK)},
	propRetainAvailable: {kindByte, packets(CONNACK)},
	propUser: {kindPair, packets(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK,
		UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH, inWill)},
	propMaximumPacket: {kindU32, packets(CONNECT, CONNACK)},
	propWildcardAvail: {kindByte, packets(CONNACK)},
	propSubIDAvail:    {kindByte, packets(CONNACK)},
	propSharedAvail:   {kindByte, packets(CONNACK)},
}

func packets(ts ...Type) (bits uint16) {
	for _, t := range ts {
		bits |= 1 << t
	}
	return bits
}

// property is one property as it stands in a packet.
type property struct {
	id   byte
	num  uint32 // of the numeric kinds
	data []byte // of text, binary, and the name of a pair; aliases the packet
	val  []byte // the value of a pair
	raw  []byte // all of it, identifier included
}

// propReader walks over the properties of one packet and checks what holds for all:
// they are known, belong there, and stand there once.
type propReader struct {
	r    reader
	in   Type
	seen uint64
}

// properties takes the property block off r. In a packet that may end before it, an
// absent block is an empty one.
func (r *reader) properties(in Type) propReader {
	return propReader{r: reader{b: r.take(r.varint()), err: r.err}, in: in}
}

func (p *propReader) next() (v property, ok bool) {
	if len(p.r.b) == 0 || p.r.err != nil {
		return property{}, false
	}
	start := p.r.b
	// The identifier is a variable byte integer, but all that exist have one byte (2.2.2.2).
	v.id = p.r.u8()
	if v.id >= propCount || propTable[v.id].kind == kindNone {
		p.r.fail(errProperty)
		return property{}, false
	}
	t := &propTable[v.id]
	if t.in&(1<<p.in) == 0 {
		p.r.fail(errPropertyHere)
		return property{}, false
	}
	// Only user properties, and subscription identifiers in a PUBLISH, may repeat.
	if bit := uint64(1) << v.id; p.seen&bit != 0 && v.id != propUser && (v.id != propSubscriptionID || p.in != PUBLISH) {
		p.r.fail(errPropertyTwo)
		return property{}, false
	} else {
		p.seen |= bit
	}
	p.value(t.kind, &v)
	if p.r.err != nil {
		return property{}, false
	}
	v.raw = start[:len(start)-len(p.r.b)]
	return v, true
}

func (p *propReader) value(kind propKind, v *property) {
	switch kind {
	case kindByte:
		v.num = uint32(p.r.u8())
		// Every property of one byte is a switch; maximum QoS, too, is 0 or 1.
		if v.num > 1 {
			p.r.fail(errPropertyVal)
		}
	case kindU16:
		v.num = uint32(p.r.u16())
		if v.num == 0 && (v.id == propReceiveMaximum || v.id == propTopicAlias) {
			// [3.1.2.11.3] receive maximum 0; a topic alias 0 is named apart [MQTT-3.3.2-8]
			if v.id == propTopicAlias {
				p.r.fail(errAliasZero)
			} else {
				p.r.fail(errPropertyVal)
			}
		}
	case kindU32:
		v.num = p.r.u32()
		if v.num == 0 && v.id == propMaximumPacket { // 3.1.2.11.4
			p.r.fail(errPropertyVal)
		}
	case kindVarint:
		v.num = uint32(p.r.varint())
		if v.num == 0 { // subscription identifier 0 (3.8.2.1.2)
			p.r.fail(errPropertyVal)
		}
	case kindText:
		v.data = p.r.text()
	case kindBinary:
		v.data = p.r.binary()
	case kindPair:
		v.data = p.r.text()
		v.val = p.r.text()
	}
}

var errAliasZero = &Error{TopicAliasInvalid, "topic alias 0"}

// skip checks all properties and keeps none.
func (p *propReader) skip() error {
	for {
		if _, ok := p.next(); !ok {
			return p.r.err
		}
	}
}

// AppendUserProperty appends one user property as it stands in a PUBLISH (3.3.2.3.7). Key and
// value have at most 65,535 bytes and are well-formed UTF-8.
func AppendUserProperty(dst []byte, key string, value []byte) []byte {
	return appendBinary(appendString(append(dst, propUser), key), value)
}

// AppendPublishProperties appends the properties of p, without the length before them.
// expiry is written instead of p's own, which counts from when the message came in.
func AppendPublishProperties(dst []byte, p *PublishProperties, expiry uint32) []byte {
	if p == nil {
		return dst
	}
	if p.PayloadFormat != 0 {
		dst = append(dst, propPayloadFormat, p.PayloadFormat)
	}
	if p.HasExpiry {
		dst = AppendExpiry(dst, expiry)
	}
	if p.ContentType != "" {
		dst = appendString(append(dst, propContentType), p.ContentType)
	}
	if p.ResponseTopic != "" {
		dst = appendString(append(dst, propResponseTopic), p.ResponseTopic)
	}
	if p.CorrelationData != nil {
		dst = appendBinary(append(dst, propCorrelationData), p.CorrelationData)
	}
	for _, u := range p.User {
		dst = appendString(append(dst, propUser), u.Key)
		dst = appendString(dst, u.Value)
	}
	return dst
}

// AppendExpiry appends a message expiry interval in seconds.
func AppendExpiry(dst []byte, seconds uint32) []byte {
	return appendU32(dst, propMessageExpiry, seconds)
}

// AppendSubscriptionID appends a subscription identifier.
func AppendSubscriptionID(dst []byte, id uint32) []byte {
	return AppendVarint(append(dst, propSubscriptionID), int(id))
}

// AppendTopicAlias appends a topic alias.
func AppendTopicAlias(dst []byte, alias uint16) []byte {
	return append(dst, propTopicAlias, byte(alias>>8), byte(alias))
}

func appendU16(dst []byte, id byte, v uint16) []byte { return append(dst, id, byte(v>>8), byte(v)) }

func appendU32(dst []byte, id byte, v uint32) []byte {
	return append(dst, id, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// ParsePublishProperties makes the property values of a message from the bytes that
// Publish.Forward returns. All is copied. nil for no bytes.
func ParsePublishProperties(raw []byte) (*PublishProperties, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	p := new(PublishProperties)
	pr := propReader{r: reader{b: raw}, in: PUBLISH}
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		p.set(v)
	}
	return p, pr.r.err
}

func (p *PublishProperties) set(v property) {
	switch v.id {
	case propPayloadFormat:
		p.PayloadFormat = byte(v.num)
	case propMessageExpiry:
		p.MessageExpiry, p.HasExpiry = v.num, true
	case propContentType:
		p.ContentType = string(v.data)
	case propResponseTopic:
		p.ResponseTopic = string(v.data)
	case propCorrelationData:
		p.CorrelationData = append(make([]byte, 0, len(v.data)), v.data...)
	case propUser:
		p.User = append(p.User, UserProperty{string(v.data), string(v.val)})
	}
}
