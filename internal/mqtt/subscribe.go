package mqtt

// Subscription is one filter of a SUBSCRIBE with its options (3.8.3).
type Subscription struct {
	Filter         string
	QoS            byte
	NoLocal        bool // MQTT 5 from here on
	RetainAsPub    bool
	RetainHandling byte // 0 send retained, 1 only if new, 2 do not
}

// Subscribe is a SUBSCRIBE.
type Subscribe struct {
	ID             uint16
	SubscriptionID uint32 // 0: none
	Filters        []Subscription
}

// MaxFilters bounds the filters of one SUBSCRIBE or UNSUBSCRIBE. The standard has no
// bound; a megabyte of one-byte filters would hold up everybody else.
const MaxFilters = 1000

var errManyFilters = &Error{QuotaExceeded, "more than 1000 filters in one packet"}

// ParseSubscribe reads a SUBSCRIBE. Filters are well-formed text but not yet checked as
// filters: a bad one costs its own entry in the answer, not the connection (v5).
func ParseSubscribe(f Frame, level byte) (s Subscribe, err error) {
	if f.Flags != 2 { // [MQTT-3.8.1-1]
		return s, errFlags
	}
	r := reader{b: f.Body}
	if s.ID = r.u16(); s.ID == 0 && r.err == nil {
		return s, errPacketID
	}
	if level == Level5 {
		pr := r.properties(SUBSCRIBE)
		for v, ok := pr.next(); ok; v, ok = pr.next() {
			if v.id == propSubscriptionID {
				s.SubscriptionID = v.num
			}
		}
		if pr.r.err != nil {
			return s, pr.r.err
		}
	}
	for len(r.b) > 0 && r.err == nil {
		if len(s.Filters) == MaxFilters {
			return s, errManyFilters
		}
		sub, err := r.subscription(level)
		if err != nil {
			return s, err
		}
		s.Filters = append(s.Filters, sub)
	}
	if r.err == nil && len(s.Filters) == 0 { // [MQTT-3.8.3-3; v5: 3.8.3-2]
		return s, errNoFilter
	}
	return s, r.err
}

func (r *reader) subscription(level byte) (Subscription, error) {
	s := Subscription{Filter: string(r.text())}
	o := r.u8()
	if r.err != nil {
		return s, r.err
	}
	s.QoS = o & 3
	switch {
	case s.QoS == 3: // [MQTT-3.8.3-4]
		return s, errQoS3
	case level != Level5 && o > 2, o&0xc0 != 0: // [MQTT-3.8.3-4; v5: 3.8.3-5]
		return s, errSubOptions
	}
	s.NoLocal, s.RetainAsPub, s.RetainHandling = o&4 != 0, o&8 != 0, o>>4&3
	if s.RetainHandling == 3 {
		return s, errRetainHandle
	}
	return s, nil
}

// AppendSubscribe appends a SUBSCRIBE.
func AppendSubscribe(dst []byte, level byte, s Subscribe) []byte {
	body := []byte{byte(s.ID >> 8), byte(s.ID)}
	if level == Level5 {
		var props []byte
		if s.SubscriptionID != 0 {
			props = AppendSubscriptionID(nil, s.SubscriptionID)
		}
		body = append(AppendVarint(body, len(props)), props...)
	}
	for _, f := range s.Filters {
		body = append(appendString(body, f.Filter), f.options())
	}
	dst = AppendVarint(append(dst, byte(SUBSCRIBE)<<4|2), len(body))
	return append(dst, body...)
}

func (s Subscription) options() byte {
	o := s.QoS | s.RetainHandling<<4
	if s.NoLocal {
		o |= 4
	}
	if s.RetainAsPub {
		o |= 8
	}
	return o
}

// Options returns the subscription options as one byte, for storage.
func (s Subscription) Options() byte { return s.options() }

// SetOptions is the other way round of Options.
func (s *Subscription) SetOptions(o byte) {
	s.QoS, s.NoLocal, s.RetainAsPub, s.RetainHandling = o&3, o&4 != 0, o&8 != 0, o>>4&3
}

// ParseUnsubscribe reads an UNSUBSCRIBE.
func ParseUnsubscribe(f Frame, level byte) (id uint16, filters []string, err error) {
	if f.Flags != 2 { // [MQTT-3.10.1-1]
		return 0, nil, errFlags
	}
	r := reader{b: f.Body}
	if id = r.u16(); id == 0 && r.err == nil {
		return 0, nil, errPacketID
	}
	if level == Level5 {
		p := r.properties(UNSUBSCRIBE)
		if err := p.skip(); err != nil {
			return id, nil, err
		}
	}
	for len(r.b) > 0 && r.err == nil {
		if len(filters) == MaxFilters {
			return id, nil, errManyFilters
		}
		filters = append(filters, string(r.text()))
	}
	if r.err == nil && len(filters) == 0 { // [MQTT-3.10.3-2]
		return id, nil, errNoFilter
	}
	return id, filters, r.err
}

// AppendUnsubscribe appends an UNSUBSCRIBE.
func AppendUnsubscribe(dst []byte, level byte, id uint16, filters []string) []byte {
	body := []byte{byte(id >> 8), byte(id)}
	if level == Level5 {
		body = append(body, 0)
	}
	for _, f := range filters {
		body = appendString(body, f)
	}
	dst = AppendVarint(append(dst, byte(UNSUBSCRIBE)<<4|2), len(body))
	return append(dst, body...)
}

// AppendSuback appends a SUBACK or UNSUBACK. At the levels below 5 every failure is
// 0x80 (3.9.3), and an UNSUBACK has no codes (3.11).
func AppendSuback(dst []byte, t Type, level byte, id uint16, codes []Reason) []byte {
	rem := 2
	if level == Level5 {
		rem += 1 + len(codes)
	} else if t == SUBACK {
		rem += len(codes)
	}
	dst = AppendVarint(append(dst, byte(t)<<4), rem)
	dst = append(dst, byte(id>>8), byte(id))
	if level != Level5 && t == UNSUBACK {
		return dst
	}
	if level == Level5 {
		dst = append(dst, 0)
	}
	for _, c := range codes {
		if level != Level5 && c >= Unspecified {
			c = Unspecified
		}
		dst = append(dst, byte(c))
	}
	return dst
}

// ParseSuback reads a SUBACK or, at level 5, an UNSUBACK.
func ParseSuback(f Frame, level byte) (id uint16, codes []Reason, err error) {
	if f.Flags != 0 {
		return 0, nil, errFlags
	}
	r := reader{b: f.Body}
	id = r.u16()
	if level == Level5 {
		p := r.properties(f.Type)
		if err := p.skip(); err != nil {
			return id, nil, err
		}
	}
	for _, c := range r.b {
		if !subackAllows(f.Type, level, Reason(c)) {
			return id, nil, errReasonCode // [MQTT-3.9.3-2; v5: 3.9.3-2]
		}
		codes = append(codes, Reason(c))
	}
	return id, codes, r.err
}

var (
	subackReasons = []Reason{GrantedQoS1, GrantedQoS2, Unspecified, ImplementationSpecific, NotAuthorized, TopicFilterInvalid,
		PacketIDInUse, QuotaExceeded, SharedNotSupported, SubIDsNotSupported, WildcardSubsNotSupported}
	unsubackReasons = []Reason{NoSubscriptionExisted, Unspecified, ImplementationSpecific, NotAuthorized, TopicFilterInvalid, PacketIDInUse}
)

// subackAllows reports whether a code is one of those in table 3-8 or 3-9 (v5), or in
// 3.9.3 (3.1.1: QoS or 0x80).
func subackAllows(t Type, level byte, c Reason) bool {
	switch {
	case level != Level5:
		return c <= GrantedQoS2 || c == Unspecified
	case t == UNSUBACK:
		return reasonAllowed(c, unsubackReasons)
	}
	return reasonAllowed(c, subackReasons)
}
