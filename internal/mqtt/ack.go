package mqtt

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP (3.4 to 3.7).
type Ack struct {
	ID     uint16
	Reason Reason // Success at the levels below 5
}

// ackReasons lists which reason codes each may carry beside Success.
var ackReasons = map[Type][]Reason{
	PUBACK: {NoMatchingSubscribers, Unspecified, ImplementationSpecific, NotAuthorized, TopicNameInvalid,
		PacketIDInUse, QuotaExceeded, PayloadFormatInvalid},
	PUBREC: {NoMatchingSubscribers, Unspecified, ImplementationSpecific, NotAuthorized, TopicNameInvalid,
		PacketIDInUse, QuotaExceeded, PayloadFormatInvalid},
	PUBREL:  {PacketIDNotFound},
	PUBCOMP: {PacketIDNotFound},
}

// ParseAck reads one of the four acknowledgements.
func ParseAck(f Frame, level byte) (Ack, error) { return f.Ack(level) }

// Ack is ParseAck without a copy of the frame.
func (f *Frame) Ack(level byte) (Ack, error) {
	want := byte(0)
	if f.Type == PUBREL {
		want = 2 // [MQTT-3.6.1-1]
	}
	if f.Flags != want {
		return Ack{}, errFlags
	}
	if len(f.Body) == 2 { // the short form, nearly always
		id := uint16(f.Body[0])<<8 | uint16(f.Body[1])
		if id == 0 {
			return Ack{}, errPacketID
		}
		return Ack{ID: id}, nil
	}
	return parseLongAck(f, level)
}

func parseLongAck(f *Frame, level byte) (Ack, error) {
	r := reader{b: f.Body}
	a := Ack{ID: r.u16()}
	if a.ID == 0 && r.err == nil {
		return Ack{}, errPacketID
	}
	if level == Level5 && len(r.b) > 0 {
		a.Reason = Reason(r.u8())
		if !reasonAllowed(a.Reason, ackReasons[f.Type]) {
			return Ack{}, errReasonCode
		}
		if len(r.b) > 0 {
			p := r.properties(f.Type)
			if err := p.skip(); err != nil {
				return Ack{}, err
			}
		}
	}
	return a, r.end()
}

func reasonAllowed(r Reason, allowed []Reason) bool {
	if r == Success {
		return true
	}
	for _, a := range allowed {
		if a == r {
			return true
		}
	}
	return false
}

// AppendAck appends one of the four acknowledgements. The reason is written at level 5
// only, and only when it is not Success (3.4.2.1).
func AppendAck(dst []byte, t Type, level byte, id uint16, reason Reason) []byte {
	first := byte(t) << 4
	if t == PUBREL {
		first |= 2
	}
	if level != Level5 || reason == Success {
		return append(dst, first, 2, byte(id>>8), byte(id))
	}
	return append(dst, first, 3, byte(id>>8), byte(id), byte(reason))
}

// disconnectReasons are those that a client may send (table 3-13).
var disconnectReasons = []Reason{DisconnectWithWill, Unspecified, MalformedPacket, ProtocolError,
	ImplementationSpecific, TopicNameInvalid, ReceiveMaximumExceeded, TopicAliasInvalid, PacketTooLarge,
	MessageRateTooHigh, QuotaExceeded, AdministrativeAction, PayloadFormatInvalid}

// Disconnect is a DISCONNECT from a client (3.14).
type Disconnect struct {
	Reason           Reason
	SessionExpiry    uint32 // with HasSessionExpiry
	HasSessionExpiry bool
}

// ParseDisconnect reads a client's DISCONNECT.
func ParseDisconnect(f Frame, level byte) (d Disconnect, err error) {
	if f.Flags != 0 { // [MQTT-3.14.1-1]
		return d, errFlags
	}
	r := reader{b: f.Body}
	if level == Level5 && len(r.b) > 0 {
		d.Reason = Reason(r.u8())
		if !reasonAllowed(d.Reason, disconnectReasons) {
			return d, errReasonCode
		}
		if len(r.b) > 0 {
			pr := r.properties(DISCONNECT)
			for v, ok := pr.next(); ok; v, ok = pr.next() {
				switch v.id {
				case propSessionExpiry:
					d.SessionExpiry, d.HasSessionExpiry = v.num, true
				case propServerReference: // only a server sends it (3.14.2.2.5)
					pr.r.fail(errPropertyHere)
				}
			}
			if pr.r.err != nil {
				return d, pr.r.err
			}
		}
	}
	return d, r.end()
}

// AppendDisconnect appends a DISCONNECT. Below level 5 it has no body.
func AppendDisconnect(dst []byte, level byte, reason Reason, text string) []byte {
	if level != Level5 || reason == Success && text == "" {
		return append(dst, byte(DISCONNECT)<<4, 0)
	}
	return appendReasonBody(append(dst, byte(DISCONNECT)<<4), nil, reason, text)
}

// appendReasonBody appends remaining length, prefix, reason and, if there is text, a
// reason string.
func appendReasonBody(dst, prefix []byte, reason Reason, text string) []byte {
	props := 0
	if text != "" {
		props = 3 + len(text)
	}
	dst = AppendVarint(dst, len(prefix)+1+VarintLen(props)+props)
	dst = append(dst, prefix...)
	dst = append(dst, byte(reason))
	dst = AppendVarint(dst, props)
	if text != "" {
		dst = appendString(append(dst, propReasonString), text)
	}
	return dst
}

// ParseAuth checks an AUTH (3.15). We offer no method, so nothing of it is needed.
func ParseAuth(f Frame) error {
	if f.Flags != 0 { // [MQTT-3.15.1-1]
		return errFlags
	}
	if len(f.Body) == 0 {
		return nil
	}
	r := reader{b: f.Body}
	if c := r.u8(); c != 0x00 && c != 0x18 && c != 0x19 { // 3.15.2.1
		return errReasonCode
	}
	if len(r.b) == 0 {
		return nil
	}
	p := r.properties(AUTH)
	if err := p.skip(); err != nil {
		return err
	}
	return r.end()
}

// CheckEmpty checks a PINGREQ or PINGRESP: no flags, no body (3.12, 3.13).
func CheckEmpty(f Frame) error {
	switch {
	case f.Flags != 0:
		return errFlags
	case len(f.Body) != 0:
		return errTrailing
	}
	return nil
}
