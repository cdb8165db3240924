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
//	version u8 | flags u8 | time i64 (ns since 1970, 0 unknown) |
//	topic str | origin str | properties (if flagged) | payload (the rest)
//
// Integers are little-endian; str is a uvarint length and the bytes.
const (
	recordVersion = 1

	recordQoSMask    = 0x03
	recordRetain     = 0x04
	recordProperties = 0x08
)

var errRecord = errors.New("message record is damaged")

// AppendRecord appends m's record to dst and returns the extended slice.
func AppendRecord(dst []byte, m *Message) []byte {
	flags := m.QoS & recordQoSMask
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
	if len(rec) < 10 {
		return Message{}, errRecord
	}
	if rec[0] != recordVersion {
		return Message{}, fmt.Errorf("message record has version %d, this program knows %d", rec[0], recordVersion)
	}
	flags := rec[1]
	var m Message
	m.QoS = flags & recordQoSMask
	m.Retain = flags&recordRetain != 0
	if ns := int64(binary.LittleEndian.Uint64(rec[2:])); ns != 0 {
		m.Time = time.Unix(0, ns)
	}
	r := recordReader{b: rec[10:]}
	m.Topic = string(r.str())
	m.Origin = string(r.str())
	if flags&recordProperties != 0 {
		m.Properties = r.properties()
	}
	if r.bad || m.QoS > 2 {
		return Message{}, errRecord
	}
	m.Payload = r.b
	return m, nil
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
