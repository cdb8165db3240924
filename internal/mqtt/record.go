package mqtt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A record is a Message as it lies in the journal: independent of any protocol
// level, so that a session may reconnect with another one.
//
//	version u8 | flags u8 | time i64 (ns since 1970, 0 unknown) | packet id u16 (if flagged) |
//	topic str | origin str | properties (if flagged) | payload (the rest)
//
// Integers are little-endian; str is a uvarint length and the bytes.
const (
	recordVersion = 1

	recordQoSMask    = 0x03
	recordRetain     = 0x04
	recordProperties = 0x08
	recordShared     = 0x10
	recordAsRetained = 0x20
	recordPacketID   = 0x40
)

// RecordMark is what the broker notes of a record beside the message. Consumers other
// than its sessions may ignore it.
type RecordMark struct {
	Shared     bool   // it came by a shared subscription
	AsRetained bool   // it was sent because of a new subscription: with the retain flag
	PacketID   uint16 // of the publisher, QoS 2 whose PUBREL is awaited; 0: none
}

var errRecord = errors.New("message record is damaged")

// AppendRecord appends m's record to dst and returns the extended slice.
func AppendRecord(dst []byte, m *Message) []byte {
	return AppendMarkedRecord(dst, m, RecordMark{})
}

// AppendMarkedRecord is AppendRecord with the broker's notes.
func AppendMarkedRecord(dst []byte, m *Message, mark RecordMark) []byte {
	flags := m.QoS & recordQoSMask
	if mark.Shared {
		flags |= recordShared
	}
	if mark.AsRetained {
		flags |= recordAsRetained
	}
	if mark.PacketID != 0 {
		flags |= recordPacketID
	}
	if m.Retain {
		flags |= recordRetain
	}
	if m.Properties != nil {
		flags |= recordProperties
	}
	var ns int64
	if !m.Time.IsZero() {
		ns = m.Time.UnixNano()
	}
	dst = append(dst, recordVersion, flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(ns))
	if mark.PacketID != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, mark.PacketID)
	}
	dst = appendStr(dst, m.Topic)
	dst = appendStr(dst, m.Origin)
	if p := m.Properties; p != nil {
		dst = appendRecordProperties(dst, p)
	}
	return append(dst, m.Payload...)
}

// ParseRecord reads what AppendRecord wrote. The message's Payload and
// CorrelationData alias rec.
func ParseRecord(rec []byte) (Message, error) {
	v, err := ViewRecord(rec)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		Topic: string(v.Topic), Payload: v.Payload, QoS: v.QoS, Retain: v.Retain,
		Origin: string(v.Origin), Time: v.Time,
	}
	if v.props != nil {
		r := recordReader{b: v.props}
		m.Properties = r.properties()
	}
	return m, nil
}

// RecordView is a record taken apart without copying: all of it aliases the record.
type RecordView struct {
	Topic, Origin []byte
	Payload       []byte
	QoS           byte
	Retain        bool
	Time          time.Time
	RecordMark

	props []byte
}

// ViewRecord takes a record apart. It allocates nothing.
func ViewRecord(rec []byte) (v RecordView, err error) {
	if len(rec) < 10 {
		return v, errRecord
	}
	if rec[0] != recordVersion {
		return v, fmt.Errorf("message record has version %d, this program knows %d", rec[0], recordVersion)
	}
	flags := rec[1]
	v.QoS = flags & recordQoSMask
	v.Retain = flags&recordRetain != 0
	v.Shared = flags&recordShared != 0
	v.AsRetained = flags&recordAsRetained != 0
	if ns := int64(binary.LittleEndian.Uint64(rec[2:])); ns != 0 {
		v.Time = time.Unix(0, ns)
	}
	r := recordReader{b: rec[10:]}
	if flags&recordPacketID != 0 {
		if len(r.b) < 2 {
			return v, errRecord
		}
		v.PacketID = binary.LittleEndian.Uint16(r.b)
		r.b = r.b[2:]
	}
	v.Topic = r.str()
	v.Origin = r.str()
	if flags&recordProperties != 0 {
		props := r.b
		r.skipProperties()
		v.props = props[:len(props)-len(r.b)]
	}
	if r.bad || v.QoS > 2 {
		return v, errRecord
	}
	v.Payload = r.b
	return v, nil
}

// Expiry gives the message expiry interval.
func (v *RecordView) Expiry() (has bool, seconds uint32) {
	if v.props == nil {
		return false, 0
	}
	return v.props[1] != 0, binary.LittleEndian.Uint32(v.props[2:])
}

// AppendProperties appends the properties as they stand in a PUBLISH, without the
// expiry and without the length.
func (v *RecordView) AppendProperties(dst []byte) []byte {
	if v.props == nil {
		return dst
	}
	r := recordReader{b: v.props[6:]}
	if v.props[0] != 0 {
		dst = append(dst, propPayloadFormat, v.props[0])
	}
	for _, id := range []byte{propContentType, propResponseTopic, propCorrelationData} {
		if s := r.str(); len(s) > 0 {
			dst = appendBinary(append(dst, id), s)
		}
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		dst = appendBinary(append(dst, propUser), r.str())
		dst = appendBinary(dst, r.str())
	}
	return dst
}

func appendRecordProperties(dst []byte, p *PublishProperties) []byte {
	var has byte
	if p.HasExpiry {
		has = 1
	}
	dst = append(dst, p.PayloadFormat, has)
	dst = binary.LittleEndian.AppendUint32(dst, p.MessageExpiry)
	dst = appendStr(dst, p.ContentType)
	dst = appendStr(dst, p.ResponseTopic)
	dst = appendStr(dst, string(p.CorrelationData))
	dst = binary.AppendUvarint(dst, uint64(len(p.User)))
	for _, u := range p.User {
		dst = appendStr(dst, u.Key)
		dst = appendStr(dst, u.Value)
	}
	return dst
}

func appendStr(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// recordReader takes a record apart; after the first fault bad stays set and all
// further reads give zero values.
type recordReader struct {
	b   []byte
	bad bool
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) str() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// skipProperties checks that the properties are whole.
func (r *recordReader) skipProperties() {
	if len(r.b) < 6 {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[6:]
	for range 3 {
		r.str()
	}
	n := r.uvarint()
	if n > uint64(len(r.b))/2 { // each needs two length bytes at least
		r.bad = true
		return
	}
	for ; n > 0 && !r.bad; n-- {
		r.str()
		r.str()
	}
}

func (r *recordReader) properties() *PublishProperties {
	if len(r.b) < 6 {
		r.bad, r.b = true, nil
		return nil
	}
	p := &PublishProperties{
		PayloadFormat: r.b[0],
		HasExpiry:     r.b[1] != 0,
		MessageExpiry: binary.LittleEndian.Uint32(r.b[2:]),
	}
	r.b = r.b[6:]
	p.ContentType = string(r.str())
	p.ResponseTopic = string(r.str())
	if data := r.str(); len(data) > 0 {
		p.CorrelationData = data
	}
	n := r.uvarint()
	if n > uint64(len(r.b))/2 { // each needs two length bytes at least
		r.bad = true
		return nil
	}
	for range n {
		p.User = append(p.User, UserProperty{string(r.str()), string(r.str())})
	}
	return p
}
