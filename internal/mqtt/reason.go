package mqtt

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Reason is a reason code of MQTT 5 (2.4).
type Reason byte

// The reason codes, under the names of the standard (MQTT 5, 2.4).
const (
	Success                  Reason = 0x00
	GrantedQoS1              Reason = 0x01
	GrantedQoS2              Reason = 0x02
	DisconnectWithWill       Reason = 0x04
	NoMatchingSubscribers    Reason = 0x10
	NoSubscriptionExisted    Reason = 0x11
	Unspecified              Reason = 0x80
	MalformedPacket          Reason = 0x81
	ProtocolError            Reason = 0x82
	ImplementationSpecific   Reason = 0x83
	UnsupportedVersion       Reason = 0x84
	ClientIDNotValid         Reason = 0x85
	BadUserNameOrPassword    Reason = 0x86
	NotAuthorized            Reason = 0x87
	ServerUnavailable        Reason = 0x88
	ServerBusy               Reason = 0x89
	Banned                   Reason = 0x8A
	ServerShuttingDown       Reason = 0x8B
	BadAuthMethod            Reason = 0x8C
	KeepAliveTimeout         Reason = 0x8D
	SessionTakenOver         Reason = 0x8E
	TopicFilterInvalid       Reason = 0x8F
	TopicNameInvalid         Reason = 0x90
	PacketIDInUse            Reason = 0x91
	PacketIDNotFound         Reason = 0x92
	ReceiveMaximumExceeded   Reason = 0x93
	TopicAliasInvalid        Reason = 0x94
	PacketTooLarge           Reason = 0x95
	MessageRateTooHigh       Reason = 0x96
	QuotaExceeded            Reason = 0x97
	AdministrativeAction     Reason = 0x98
	PayloadFormatInvalid     Reason = 0x99
	RetainNotSupported       Reason = 0x9A
	QoSNotSupported          Reason = 0x9B
	UseAnotherServer         Reason = 0x9C
	ServerMoved              Reason = 0x9D
	SharedNotSupported       Reason = 0x9E
	ConnectionRateExceeded   Reason = 0x9F
	MaximumConnectTime       Reason = 0xA0
	SubIDsNotSupported       Reason = 0xA1
	WildcardSubsNotSupported Reason = 0xA2
)

var reasonNames = map[Reason]string{
	Success: "success", GrantedQoS1: "granted QoS 1", GrantedQoS2: "granted QoS 2",
	DisconnectWithWill: "disconnect with will message", NoMatchingSubscribers: "no matching subscribers",
	NoSubscriptionExisted: "no subscription existed", Unspecified: "unspecified error",
	MalformedPacket: "malformed packet", ProtocolError: "protocol error",
	ImplementationSpecific: "implementation specific error", UnsupportedVersion: "unsupported protocol version",
	ClientIDNotValid: "client identifier not valid", BadUserNameOrPassword: "bad user name or password",
	NotAuthorized: "not authorized", ServerUnavailable: "server unavailable", ServerBusy: "server busy",
	Banned: "banned", ServerShuttingDown: "server shutting down", BadAuthMethod: "bad authentication method",
	KeepAliveTimeout: "keep alive timeout", SessionTakenOver: "session taken over",
	TopicFilterInvalid: "topic filter invalid", TopicNameInvalid: "topic name invalid",
	PacketIDInUse: "packet identifier in use", PacketIDNotFound: "packet identifier not found",
	ReceiveMaximumExceeded: "receive maximum exceeded", TopicAliasInvalid: "topic alias invalid",
	PacketTooLarge: "packet too large", MessageRateTooHigh: "message rate too high", QuotaExceeded: "quota exceeded",
	AdministrativeAction: "administrative action", PayloadFormatInvalid: "payload format invalid",
	RetainNotSupported: "retain not supported", QoSNotSupported: "QoS not supported",
	UseAnotherServer: "use another server", ServerMoved: "server moved",
	SharedNotSupported: "shared subscriptions not supported", ConnectionRateExceeded: "connection rate exceeded",
	MaximumConnectTime: "maximum connect time", SubIDsNotSupported: "subscription identifiers not supported",
	WildcardSubsNotSupported: "wildcard subscriptions not supported",
}

func (r Reason) String() string {
	if s, ok := reasonNames[r]; ok {
		return s
	}
	return "reason 0x" + strconv.FormatUint(uint64(r), 16)
}

// Error is a violation, with the reason code that is sent to the peer. All are
// package variables, so that a flood of bad packets allocates nothing.
type Error struct {
	Reason Reason
	text   string
}

func (e *Error) Error() string { return e.text }

// NewError makes an Error for a package variable of another package.
func NewError(reason Reason, text string) *Error { return &Error{reason, text} }

// ErrLongLength: a length is written in more bytes than needed [MQTT-1.5.5-1, v5].
var ErrLongLength = errVarintLong

// ErrPacketTooLarge: the remaining length is over the limit.
var ErrPacketTooLarge = &Error{PacketTooLarge, "packet is larger than allowed"}

var (
	errVarintLong   = &Error{MalformedPacket, "length is written in more bytes than needed"}
	errVarintSize   = &Error{MalformedPacket, "length has more than four bytes"}
	errShort        = &Error{MalformedPacket, "packet ends too early"}
	errTrailing     = &Error{MalformedPacket, "bytes left over at the end of the packet"}
	errText         = &Error{MalformedPacket, "text is not well-formed UTF-8 or has U+0000"}
	errFlags        = &Error{MalformedPacket, "reserved flags of the fixed header are wrong"}
	errQoS3         = &Error{MalformedPacket, "QoS 3"}
	errDupQoS0      = &Error{MalformedPacket, "DUP on a QoS 0 message"}
	errPacketID     = &Error{ProtocolError, "packet identifier 0"}
	errNoFilter     = &Error{ProtocolError, "no topic filter"}
	errSubOptions   = &Error{MalformedPacket, "reserved bits of the subscription options are set"}
	errRetainHandle = &Error{ProtocolError, "retain handling 3"}
	errProperty     = &Error{MalformedPacket, "unknown property"}
	errPropertyHere = &Error{ProtocolError, "property does not belong in this packet"}
	errPropertyTwo  = &Error{ProtocolError, "property given twice"}
	errPropertyVal  = &Error{ProtocolError, "property has a value that is not allowed"}
	errProtocolName = &Error{UnsupportedVersion, "protocol name is neither MQTT nor MQIsdp"}
	errConnectFlags = &Error{MalformedPacket, "connect flags contradict each other"}
	errReasonCode   = &Error{ProtocolError, "reason code does not belong in this packet"}
)

// ErrVersion: the protocol name is known, its level is not [MQTT-3.1.2-2].
var ErrVersion = &Error{UnsupportedVersion, "protocol level is not supported"}

// validText checks a UTF-8 string as 1.5.3 (v5: 1.5.4) asks: well-formed, no U+0000.
func validText(s []byte) bool { return utf8.Valid(s) && bytes.IndexByte(s, 0) < 0 }
