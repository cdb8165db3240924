package mqtt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sensorgate/internal/varint"
)

// A record is a Message as it lies in the journal: independent of any protocol
// level, so that a session may reconnect with another one.
//
//	version u8 | flags u8 | time i64 (ns since 1970, 0 unknown) | packet id u16 (if flagged) |
//	shared by: u n, n × str (if flagged) | topic str | origin str | properties (if flagged) |
//	payload (the rest)
//
// Integers are little-endian; u is a uvarint, str a uvarint length and the bytes. A record with
// "shared by" has version 2, so that a program that does not know of it leaves it alone.
const (
	recordVersion   = 1
	recordVersionBy = 2

	recordQoSMask    = 0x03
	recordRetain     = 0x04
	recordProperties = 0x08
	recordShared     = 0x10
	recordAsRetained = 0x20
	recordPacketID   = 0x40
	recordSharedBy   = 0x80
)

// RecordMark is what the broker notes of a record beside the message. Consumers other
// than its sessions may ignore it.
type RecordMark struct {
	Shared     bool     // it goes to all its sessions by a shared subscription
	SharedBy   []string // client ids of those sessions that get it by one, while others do not
	AsRetained bool     // it was sent because of a new subscription: with the retain flag
	PacketID   uint16   // of the publisher, QoS 2 whose PUBREL is awaited; 0: none
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
	version := byte(recordVersion)
	if len(mark.SharedBy) > 0 {
		flags |= recordSharedBy
		version = recordVersionBy
	}
	var ns int64
	if !m.Time.IsZero() {
		ns = m.Time.UnixNano()
	}
	dst = append(dst, version, flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(ns))
	if mark.PacketID != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, mark.PacketID)
	}
	if len(mark.SharedBy) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(mark.SharedBy)))
		for _, client := range mark.SharedBy {
			dst = appendStr(dst, client)
		}
	}
	dst = appendStr(dst, m.Topic)
	dst = appendStr(dst, m.Origin)
	if p := m.Properties; p != nil {
		dst = appendRecordProperties(dst, p)
	}
	return append(dst, m.Payload...)
}

// BriefRecord returns a record that has nothing of rec but its packet id, QoS and time: what who
// remembers packet ids needs of it. One without a packet id is returned as it is.
func BriefRecord(rec []byte) []byte {
	v, err := ViewRecord(rec)
	if err != nil || v.PacketID == 0 {
		return rec
	}
	return AppendMarkedRecord(nil, &Message{QoS: v.QoS, Time: v.Time}, RecordMark{PacketID: v.PacketID})
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
		r := varint.NewReader(v.props)
		m.Properties = readProperties(&r)
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
	RecordMark    // without SharedBy: see SharedFor

	sharedBy []byte
	props    []byte
}

// SharedFor reports whether the session of a client gets the message by a shared subscription.
func (v *RecordView) SharedFor(client string) bool {
	if v.Shared {
		return true
	}
	r := varint.NewReader(v.sharedBy)
	for range r.Count(1) {
		if string(r.Bytes()) == client {
			return true
		}
	}
	return false
}

// ViewRecord takes a record apart. It allocates nothing.
func ViewRecord(rec []byte) (v RecordView, err error) {
	if len(rec) < 10 {
		return v, errRecord
	}
	if rec[0] != recordVersion && rec[0] != recordVersionBy {
		return v, fmt.Errorf("message record has version %d, this program knows up to %d", rec[0], recordVersionBy)
	}
	flags := rec[1]
	v.QoS = flags & recordQoSMask
	v.Retain = flags&recordRetain != 0
	v.Shared = flags&recordShared != 0
	v.AsRetained = flags&recordAsRetained != 0
	if ns := int64(binary.LittleEndian.Uint64(rec[2:])); ns != 0 {
		v.Time = time.Unix(0, ns)
	}
	r := varint.NewReader(rec[10:])
	if flags&recordPacketID != 0 {
		if id := r.Take(2); id != nil {
			v.PacketID = binary.LittleEndian.Uint16(id)
		}
	}
	if flags&recordSharedBy != 0 {
		list := r.Rest()
		for range r.Count(1) {
			r.Bytes()
		}
		v.sharedBy = list[:len(list)-len(r.Rest())]
	}
	v.Topic = r.Bytes()
	v.Origin = r.Bytes()
	if flags&recordProperties != 0 {
		props := r.Rest()
		skipProperties(&r)
		v.props = props[:len(props)-len(r.Rest())]
	}
	if r.Failed() || v.QoS > 2 {
		return v, errRecord
	}
	v.Payload = r.Rest()
	return v, nil
}

// Expiry returns the message expiry interval.
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
	r := varint.NewReader(v.props[6:])
	if v.props[0] != 0 {
		dst = append(dst, propPayloadFormat, v.props[0])
	}
	for _, id := range []byte{propContentType, propResponseTopic, propCorrelationData} {
		if s := r.Bytes(); len(s) > 0 {
			dst = appendBinary(append(dst, id), s)
		}
	}
	for range r.Count(2) { // each needs two length bytes at least
		dst = appendBinary(append(dst, propUser), r.Bytes())
		dst = appendBinary(dst, r.Bytes())
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

// skipProperties checks that the properties are whole.
func skipProperties(r *varint.Reader) {
	r.Take(6)
	for range 3 {
		r.Bytes()
	}
	for range r.Count(2) { // each needs two length bytes at least
		r.Bytes()
		r.Bytes()
	}
}

func readProperties(r *varint.Reader) *PublishProperties {
	head := r.Take(6)
	if head == nil {
		return nil
	}
	p := &PublishProperties{
		PayloadFormat: head[0],
		HasExpiry:     head[1] != 0,
		MessageExpiry: binary.LittleEndian.Uint32(head[2:]),
	}
	p.ContentType = string(r.Bytes())
	p.ResponseTopic = string(r.Bytes())
	if data := r.Bytes(); len(data) > 0 {
		p.CorrelationData = data
	}
	for range r.Count(2) {
		p.User = append(p.User, UserProperty{string(r.Bytes()), string(r.Bytes())})
	}
	return p
}
