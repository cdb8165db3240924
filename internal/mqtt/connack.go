package mqtt

// Connack is a CONNACK (3.2). The fields after Reason are of MQTT 5; their zero value
// is not written.
type Connack struct {
	SessionPresent   bool
	Reason           Reason
	ReasonString     string
	AssignedClientID string
	ServerKeepAlive  uint16 // with HasKeepAlive
	HasKeepAlive     bool
	SessionExpiry    uint32 // with HasSessionExpiry
	HasSessionExpiry bool
	ReceiveMaximum   uint16
	TopicAliasMax    uint16
	MaximumPacket    uint32
	ResponseInfo     string
	MaximumQoS       byte // 0 or 1, with HasMaximumQoS; without: 2
	HasMaximumQoS    bool
	NoRetain         bool // retain available 0
}

// returnCode311 returns the nearest return code of MQTT 3.1.1 (table 3.1).
func returnCode311(r Reason) byte {
	switch r {
	case Success:
		return 0
	case UnsupportedVersion:
		return 1
	case ClientIDNotValid:
		return 2
	case BadUserNameOrPassword:
		return 4
	case NotAuthorized, Banned, BadAuthMethod:
		return 5
	}
	return 3 // server unavailable
}

// AppendConnack appends a CONNACK in the form of the level.
func AppendConnack(dst []byte, level byte, c *Connack) []byte {
	present := byte(0)
	if c.SessionPresent && c.Reason == Success && level != Level31 { // [MQTT-3.2.2-4]; not used at 3.1
		present = 1
	}
	if level != Level5 {
		return append(dst, byte(CONNACK)<<4, 2, present, returnCode311(c.Reason))
	}
	p := c.properties(make([]byte, 0, 64))
	dst = AppendVarint(append(dst, byte(CONNACK)<<4), 2+VarintLen(len(p))+len(p))
	dst = AppendVarint(append(dst, present, byte(c.Reason)), len(p))
	return append(dst, p...)
}

func (c *Connack) properties(p []byte) []byte {
	if c.HasSessionExpiry {
		p = appendU32(p, propSessionExpiry, c.SessionExpiry)
	}
	if c.ReceiveMaximum != 0 {
		p = appendU16(p, propReceiveMaximum, c.ReceiveMaximum)
	}
	if c.MaximumPacket != 0 {
		p = appendU32(p, propMaximumPacket, c.MaximumPacket)
	}
	if c.AssignedClientID != "" {
		p = appendString(append(p, propAssignedClientID), c.AssignedClientID)
	}
	if c.TopicAliasMax != 0 {
		p = appendU16(p, propTopicAliasMax, c.TopicAliasMax)
	}
	if c.ReasonString != "" {
		p = appendString(append(p, propReasonString), c.ReasonString)
	}
	if c.HasKeepAlive {
		p = appendU16(p, propServerKeepAlive, c.ServerKeepAlive)
	}
	if c.ResponseInfo != "" {
		p = appendString(append(p, propResponseInfo), c.ResponseInfo)
	}
	if c.HasMaximumQoS {
		p = append(p, propMaximumQoS, c.MaximumQoS)
	}
	if c.NoRetain {
		p = append(p, propRetainAvailable, 0)
	}
	return p
}

// ParseConnack reads a CONNACK. At the levels below 5 the return code is turned into
// the reason of the same meaning.
func ParseConnack(f Frame, level byte) (c Connack, err error) {
	if f.Flags != 0 {
		return c, errFlags
	}
	r := reader{b: f.Body}
	flags := r.u8()
	code := r.u8()
	switch {
	case level == Level31: // not used
	case flags > 1: // [MQTT-3.2.2-1]
		return c, errFlags
	default:
		c.SessionPresent = flags == 1
	}
	if level != Level5 {
		reasons := [...]Reason{Success, UnsupportedVersion, ClientIDNotValid, ServerUnavailable, BadUserNameOrPassword, NotAuthorized}
		if int(code) >= len(reasons) {
			return c, errReasonCode
		}
		c.Reason = reasons[code]
		return c, r.end()
	}
	c.Reason = Reason(code)
	pr := r.properties(CONNACK)
	for v, ok := pr.next(); ok; v, ok = pr.next() {
		c.set(v)
	}
	if pr.r.err != nil {
		return c, pr.r.err
	}
	return c, r.end()
}

func (c *Connack) set(v property) {
	switch v.id {
	case propSessionExpiry:
		c.SessionExpiry, c.HasSessionExpiry = v.num, true
	case propReceiveMaximum:
		c.ReceiveMaximum = uint16(v.num)
	case propMaximumPacket:
		c.MaximumPacket = v.num
	case propAssignedClientID:
		c.AssignedClientID = string(v.data)
	case propTopicAliasMax:
		c.TopicAliasMax = uint16(v.num)
	case propReasonString:
		c.ReasonString = string(v.data)
	case propServerKeepAlive:
		c.ServerKeepAlive, c.HasKeepAlive = uint16(v.num), true
	case propResponseInfo:
		c.ResponseInfo = string(v.data)
	case propMaximumQoS:
		c.MaximumQoS, c.HasMaximumQoS = byte(v.num), true
	case propRetainAvailable:
		c.NoRetain = v.num == 0
	}
}
