package mqtt

// Connect is a CONNECT (3.1).
type Connect struct {
	Level       byte // Level31, Level311 or Level5
	Bridge      bool // a mosquitto bridge says so in the highest bit of the level, see levelBridge
	CleanStart  bool
	KeepAlive   uint16 // seconds
	ClientID    string
	Username    string
	HasUsername bool
	Password    []byte
	HasPassword bool
	Will        *Will

	// MQTT 5
	SessionExpiry   uint32 // seconds; SessionForever: never
	ReceiveMaximum  uint16 // 0: not given, 65,535
	MaximumPacket   uint32 // 0: not given, no limit
	TopicAliasMax   uint16
	RequestProblem  bool // reason strings are welcome; default true
	RequestResponse bool
	AuthMethod      string // "" for none
	User            []UserProperty
}

// SessionForever as a session expiry interval means that it does not end (3.1.2.11.2).
const SessionForever = 0xFFFFFFFF

// Will is what the server publishes when the client goes without a word.
type Will struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Delay      uint32 // seconds
	Properties *PublishProperties
}

// levelBridge is the bit of the protocol level by which a bridge of mosquitto (its option
// try_private, on by default) asks for what only MQTT 5 has a word for: the retain flag
// as it was published, and not to get back what it published itself. It tries again
// without the bit only after a CONNACK that says "unacceptable protocol version".
const levelBridge = 0x80

// Connect flags (3.1.2.3).
const (
	flagReserved   = 1
	flagClean      = 2
	flagWill       = 4
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUsername   = 0x80
)

// ParseConnect reads a CONNECT. Nothing of it aliases the packet. With an unknown level
// it returns ErrVersion and a Connect that has the level and nothing else.
func ParseConnect(f Frame) (*Connect, error) {
	r := reader{b: f.Body}
	name := string(r.binary())
	level := r.u8()
	if r.err != nil {
		return nil, r.err
	}
	c := &Connect{Level: level, RequestProblem: true}
	if plain := level &^ levelBridge; plain == Level31 || plain == Level311 {
		c.Level, c.Bridge = plain, level&levelBridge != 0
		level = plain
	}
	switch {
	case f.Flags != 0 && level != Level31: // [MQTT-2.2.2-2]; not used at 3.1 (its section 2.1)
		return nil, errFlags
	case f.LongLength && level == Level5: // [MQTT-1.5.5-1]
		return c, ErrLongLength
	case name != "MQTT" && name != "MQIsdp": // [MQTT-3.1.2-1]
		return nil, errProtocolName
	case name == "MQTT" && level != Level311 && level != Level5, name == "MQIsdp" && level != Level31:
		return c, ErrVersion
	}
	flags := r.u8()
	c.KeepAlive = r.u16()
	if r.err != nil {
		return nil, r.err
	}
	if err := checkConnectFlags(flags, level); err != nil {
		return c, err
	}
	c.CleanStart = flags&flagClean != 0
	c.HasUsername, c.HasPassword = flags&flagUsername != 0, flags&flagPassword != 0
	if level == Level5 {
		c.properties(&r)
	}
	c.payload(&r, flags)
	return c, r.end()
}

func checkConnectFlags(flags, level byte) error {
	qos := flags >> 3 & 3
	switch {
	case flags&flagReserved != 0 && level != Level31, // [MQTT-3.1.2-3]; not used at 3.1
		qos == 3, // [MQTT-3.1.2-14]
		flags&flagWill == 0 && flags&(flagWillRetain|0x18) != 0,               // [MQTT-3.1.2-13, 3.1.2-15]
		level != Level5 && flags&flagUsername == 0 && flags&flagPassword != 0: // [MQTT-3.1.2-22]
		return errConnectFlags
	}
	return nil
}

func (c *Connect) properties(r *reader) {
	pr := r.properties(CONNECT)
	authData := false
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		switch v.id {
		case propSessionExpiry:
			c.SessionExpiry = v.num
		case propReceiveMaximum:
			c.ReceiveMaximum = uint16(v.num)
		case propMaximumPacket:
			c.MaximumPacket = v.num
		case propTopicAliasMax:
			c.TopicAliasMax = uint16(v.num)
		case propRequestProblem:
			c.RequestProblem = v.num == 1
		case propRequestResponse:
			c.RequestResponse = v.num == 1
		case propAuthMethod:
			c.AuthMethod = string(v.data)
		case propUser:
			c.User = append(c.User, UserProperty{string(v.data), string(v.val)})
		case propAuthData:
			authData = true
		}
	}
	if authData && c.AuthMethod == "" { // 3.1.2.11.10
		pr.r.fail(errPropertyHere)
	}
	if pr.r.err != nil {
		r.fail(pr.r.err)
	}
}

func (c *Connect) payload(r *reader, flags byte) {
	c.ClientID = string(r.text())
	if flags&flagWill != 0 {
		c.Will = r.will(c.Level)
		c.Will.QoS, c.Will.Retain = flags>>3&3, flags&flagWillRetain != 0
	}
	if c.HasUsername {
		c.Username = string(r.text())
	}
	if c.HasPassword {
		c.Password = append([]byte(nil), r.binary()...)
	}
}

func (r *reader) will(level byte) *Will {
	w := new(Will)
	if level == Level5 {
		pr := r.properties(inWill)
		any := false
		var p PublishProperties
		for v, ok := pr.next(); ok; v, ok = pr.next() {
			switch {
			case v.id == propWillDelay:
				w.Delay = v.num
				continue
			case v.id == propResponseTopic && (len(v.data) == 0 || hasWildcard(v.data)):
				pr.r.fail(errPropertyVal) // [MQTT-4.7.3-1, 3.3.2-14]
			}
			p.set(v)
			any = true
		}
		if any {
			w.Properties = &p
		}
		if pr.r.err != nil {
			r.fail(pr.r.err)
		}
	}
	w.Topic = string(r.text())
	w.Payload = append([]byte(nil), r.binary()...)
	return w
}

// AppendConnect appends a CONNECT.
func AppendConnect(dst []byte, c *Connect) []byte {
	name := "MQTT"
	if c.Level == Level31 {
		name = "MQIsdp"
	}
	level := c.Level
	if c.Bridge {
		level |= levelBridge
	}
	body := append(appendString(nil, name), level, c.flags(), byte(c.KeepAlive>>8), byte(c.KeepAlive))
	if c.Level == Level5 {
		props := c.appendProperties(nil)
		body = append(AppendVarint(body, len(props)), props...)
	}
	body = appendString(body, c.ClientID)
	if w := c.Will; w != nil {
		if c.Level == Level5 {
			props := []byte(nil)
			if w.Delay != 0 {
				props = appendU32(props, propWillDelay, w.Delay)
			}
			if w.Properties != nil {
				props = AppendPublishProperties(props, w.Properties, w.Properties.MessageExpiry)
			}
			body = append(AppendVarint(body, len(props)), props...)
		}
		body = appendBinary(appendString(body, w.Topic), w.Payload)
	}
	if c.HasUsername {
		body = appendString(body, c.Username)
	}
	if c.HasPassword {
		body = appendBinary(body, c.Password)
	}
	dst = AppendVarint(append(dst, byte(CONNECT)<<4), len(body))
	return append(dst, body...)
}

func (c *Connect) flags() (flags byte) {
	if c.CleanStart {
		flags |= flagClean
	}
	if w := c.Will; w != nil {
		flags |= flagWill | w.QoS<<3
		if w.Retain {
			flags |= flagWillRetain
		}
	}
	if c.HasUsername {
		flags |= flagUsername
	}
	if c.HasPassword {
		flags |= flagPassword
	}
	return flags
}

func (c *Connect) appendProperties(p []byte) []byte {
	if c.SessionExpiry != 0 {
		p = appendU32(p, propSessionExpiry, c.SessionExpiry)
	}
	if c.ReceiveMaximum != 0 {
		p = appendU16(p, propReceiveMaximum, c.ReceiveMaximum)
	}
	if c.MaximumPacket != 0 {
		p = appendU32(p, propMaximumPacket, c.MaximumPacket)
	}
	if c.TopicAliasMax != 0 {
		p = appendU16(p, propTopicAliasMax, c.TopicAliasMax)
	}
	if c.AuthMethod != "" {
		p = appendString(append(p, propAuthMethod), c.AuthMethod)
	}
	return AppendPublishProperties(p, &PublishProperties{User: c.User}, 0)
}
