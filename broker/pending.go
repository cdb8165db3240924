package broker

import (
	"encoding/binary"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/varint"
)

// backlog is what waits in memory for room in the window of a session that is not
// persistent, packed: a reader that is slow for a while has many short messages here, and
// a value for each would take several times as much as its payload. The zero value is
// ready; it is guarded by the session's mu.
type backlog struct {
	chunks []*chunk
	count  int
	fee    int64 // bytes that the account has for it
}

// chunk holds some messages one behind the other.
type chunk struct {
	base   time.Time // what the times of the messages count from
	topics []string  // each message names one by its place
	data   []byte
	at     int // what is before was taken
	fee    int64
}

const (
	firstChunk = 1 << 10
	laterChunk = 16 << 10
	chunkCost  = 160
	topicCost  = 16
)

// push copies p behind what already waits; false if the budget has no room.
func (b *backlog) push(a *budget.Account, p *publication, flags byte, ids []uint32) bool {
	size := 64 + 5*len(ids) + len(p.payload) + len(p.props) // of the longest form
	var c *chunk
	if n := len(b.chunks); n > 0 {
		c = b.chunks[n-1]
	}
	if c == nil || len(c.data)+size > cap(c.data) {
		room := laterChunk
		if c == nil {
			room = firstChunk
		}
		_, room = class(max(room, size))
		if !b.charge(a, int64(room+chunkCost)) {
			return false
		}
		c = &chunk{base: p.at, data: takeBuffer(room), fee: int64(room + chunkCost)}
		b.chunks = append(b.chunks, c)
	}
	topic, ok := b.topic(a, c, p.route.topic)
	if !ok {
		return false
	}
	c.append(p, flags, topic, ids)
	b.count++
	return true
}

// topic returns the place of a topic in the chunk.
func (b *backlog) topic(a *budget.Account, c *chunk, topic string) (place int, ok bool) {
	for i := len(c.topics) - 1; i >= max(0, len(c.topics)-64); i-- {
		if c.topics[i] == topic {
			return i, true
		}
	}
	fee := int64(topicCost*2 + len(topic))
	if !b.charge(a, fee) {
		return 0, false
	}
	c.fee += fee
	c.topics = append(c.topics, topic)
	return len(c.topics) - 1, true
}

func (b *backlog) charge(a *budget.Account, fee int64) bool {
	if !a.Charge(budget.Buffers, fee) {
		return false
	}
	b.fee += fee
	return true
}

func (c *chunk) append(p *publication, flags byte, topic int, ids []uint32) {
	d := binary.AppendUvarint(c.data, uint64(topic))
	if p.hasExpiry {
		flags |= expiryFlag
	}
	d = append(d, flags)
	age := int64(p.at.Sub(c.base)) // negative for what another part of the process has dated
	d = binary.AppendUvarint(d, uint64(age<<1^age>>63))
	d = binary.AppendUvarint(d, uint64(p.expiry))
	d = binary.AppendUvarint(d, uint64(len(ids)))
	for _, id := range ids {
		d = binary.AppendUvarint(d, uint64(id))
	}
	d = binary.AppendUvarint(d, uint64(len(p.payload)))
	d = append(d, p.payload...)
	d = binary.AppendUvarint(d, uint64(len(p.props)))
	c.data = append(d, p.props...)
}

// expiryFlag stands in a byte of PUBLISH flags, of which MQTT uses the lower four.
const expiryFlag = 0x80

// waitingMessage is the oldest of a backlog; its bytes belong to that.
type waitingMessage struct {
	publication
	flags byte
	ids   []uint32
	next  int // place in the chunk behind it
}

// front reads the oldest message. Of its route only the topic is known; route is memory
// for it.
func (b *backlog) front(route *route) (m waitingMessage) {
	c := b.chunks[0]
	r := varint.NewReader(c.data[c.at:])
	route.topic = c.topics[r.Uvarint()]
	m.route = route
	flags := r.Byte()
	m.flags, m.hasExpiry, m.qos = flags&^expiryFlag, flags&expiryFlag != 0, flags>>1&3
	age := r.Uvarint()
	m.at = c.base.Add(time.Duration(age>>1 ^ -(age & 1)))
	m.expiry = uint32(r.Uvarint())
	for range r.Count(1) {
		m.ids = append(m.ids, uint32(r.Uvarint()))
	}
	m.payload, m.props = r.Bytes(), r.Bytes()
	m.next = len(c.data) - len(r.Rest())
	return m
}

// pop takes the oldest message, as front returned it, off.
func (b *backlog) pop(a *budget.Account, m *waitingMessage) {
	c := b.chunks[0]
	c.at = m.next
	b.count--
	if c.at < len(c.data) {
		return
	}
	a.Release(budget.Buffers, c.fee)
	b.fee -= c.fee
	giveBack(c.data)
	b.chunks[0] = nil
	if b.chunks = b.chunks[1:]; len(b.chunks) == 0 {
		b.chunks = nil
	}
}

// drop forgets all that waits.
func (b *backlog) drop(a *budget.Account) {
	a.Release(budget.Buffers, b.fee)
	for _, c := range b.chunks {
		giveBack(c.data)
	}
	*b = backlog{}
}
