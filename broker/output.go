package broker

import (
	"sync"
	"unsafe"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// Limits of what waits in the output of one connection, where the budget would allow more.
// Output is one piece of memory, which grows: with megabytes of it that is a turn's work.
const (
	maxOutQoS0  = 1 << 20 // more waits: QoS 0 to it is dropped and counted
	maxOutQueue = 1 << 20 // more waits: QoS 1 and 2 stay in the queue
	// maxUnread is what may wait before nothing more is read from a client: its own packets
	// are answered, and whoever does not read the answers may not make more. It has room for
	// an acknowledgement of each packet id beside what others send.
	maxUnread = maxOutQueue + 512<<10
)

// Output is kept in buffers of a few sizes, so that they can be used again. The smallest
// is part of what every connection costs; larger ones are charged to the client.
const (
	smallBuffer  = 2 << 10
	largestClass = 128 << 10 // of those that double; beyond there are four sizes per doubling
	maxClass     = 4 << 20
)

// buffers are 2, 4, 8 … 128 KiB, then 160, 192, 224, 256, 320 … 4096 KiB. Each pool has the
// first bytes of its buffers, which all have its size: a slice in an interface would have to be
// allocated, with every output that was written.
var buffers [7 + 4*5]sync.Pool

// class returns which pool has buffers of the size, and the size rounded up to what is
// allocated; -1 if none has.
func class(size int) (pool, rounded int) {
	if size > maxClass {
		return -1, (size + size/4 + 64<<10 - 1) &^ (64<<10 - 1)
	}
	rounded = smallBuffer
	for ; size > rounded && rounded < largestClass; pool++ {
		rounded *= 2
	}
	for step := rounded / 4; size > rounded; pool++ {
		if rounded += step; rounded == 8*step {
			step *= 2
		}
	}
	return pool, rounded
}

func takeBuffer(size int) []byte {
	pool, rounded := class(size)
	if pool >= 0 {
		if p, ok := buffers[pool].Get().(*byte); ok {
			return unsafe.Slice(p, rounded)[:0]
		}
	}
	return make([]byte, 0, rounded)
}

// giveBack returns a buffer that was written: an idle connection has none.
func giveBack(b []byte) {
	if pool, rounded := class(cap(b)); pool >= 0 && cap(b) == rounded {
		buffers[pool].Put(unsafe.SliceData(b))
	}
}

// out returns the output to append a short answer to; set the longer one with setOut.
// Answers are never refused: what a client can ask for without reading is bounded by
// maxUnread.
func (c *conn) out() []byte {
	if cap(c.buf)-len(c.buf) < smallPacket {
		c.growOut()
	}
	return c.buf
}

// growOut sees to room for a short answer.
func (c *conn) growOut() {
	if c.buf == nil {
		c.takeUsual()
		return
	}
	old := c.buf
	more := max(cap(old)/4, min(cap(old), largestClass/2))
	c.buf = append(takeBuffer(cap(old)+more), old...)
	c.recount(cap(c.buf))
	giveBack(old)
}

// smallPacket is the room that the longest acknowledgement takes: with it, output grows
// from one of the buffers that are used again to the next one.
const smallPacket = 16

// takeUsual begins with a buffer of the size that the last outputs had, if the budget has
// that much.
func (c *conn) takeUsual() {
	if c.usual > smallBuffer && c.account.Charge(budget.Buffers, int64(c.usual-c.charged)) {
		c.charged = c.usual
		c.buf = takeBuffer(c.usual)
		return
	}
	c.buf = takeBuffer(smallBuffer)
}

func (c *conn) setOut(b []byte) {
	if cap(b) != cap(c.buf) {
		c.recount(cap(b))
	}
	c.buf = b
}

// recount notes that the output takes size bytes now.
func (c *conn) recount(size int) {
	if size <= smallBuffer {
		size = 0
	}
	if size != c.charged {
		c.account.Force(budget.Buffers, int64(size-c.charged))
		c.charged = size
	}
}

// reserveLocked makes room for n more bytes of a message; false if the budget has none.
func (c *conn) reserveLocked(n int) bool {
	b := c.out()
	if len(b)+n <= cap(b) {
		return true
	}
	// Beyond the buffers that are used again: the client gets what there is first.
	if len(b)+n > largestClass && len(b) > 0 {
		c.writer.flushLocked(c)
		if b = c.out(); len(b)+n <= cap(b) {
			return true
		}
	}
	_, size := class(len(b) + n)
	if !c.account.Charge(budget.Buffers, int64(size-c.charged)) {
		// What waits may fit into the socket, and then there is room.
		c.writer.flushLocked(c)
		if b = c.out(); len(b)+n <= cap(b) {
			return true
		}
		_, size = class(len(b) + n)
		if !c.account.Charge(budget.Buffers, int64(size-c.charged)) {
			return false
		}
	}
	c.charged = size
	c.buf = append(takeBuffer(size), b...)
	giveBack(b)
	return true
}

// waiting is how many bytes the socket has not taken.
func (c *conn) waiting() int { return len(c.buf) - c.outAt + c.writing }

// unread reports whether the client has to read before anything more is read from it.
func (c *conn) unread() bool { return c.waiting() > maxUnread }

// mustRead reports whether the client has to read, or we have to wait for the disk,
// before anything more is read from it.
func (c *conn) mustRead() bool {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.mustReadLocked()
}

func (c *conn) mustReadLocked() bool { return c.acks.len() > maxAcks || c.unread() }

// maxAcks bounds the acknowledgements that wait for the disk.
const maxAcks = 16384

// noteUsual learns from an output of n bytes how large the next ones may be. A short one among
// long ones changes nothing: the next long one would grow from the smallest buffer to its own,
// and be copied at each step.
func (c *conn) noteUsual(n int) {
	_, size := class(n)
	if size = min(size, largestClass); size < c.usual {
		if c.shorter++; c.shorter < shortInARow {
			return
		}
		size = max(size, c.usual/2)
	}
	c.usual, c.shorter = size, 0
}

// shortInARow is how many outputs must be shorter than usual before that becomes less.
const shortInARow = 8

// dropOut forgets the output: it was written, or nobody will read it.
func (c *conn) dropOut() {
	c.noteUsual(len(c.buf))
	c.recount(0)
	giveBack(c.buf)
	c.buf, c.outAt = nil, 0
}

// keepWaiting is called when the socket took only a part: what is written already makes
// room.
func (c *conn) keepWaiting() {
	if c.outAt > len(c.buf)/2 {
		c.buf = c.buf[:copy(c.buf, c.buf[c.outAt:])]
		c.outAt = 0
	}
}

// takeOut hands the output to a writer that writes it without the lock; it stays charged
// until it is written.
func (c *conn) takeOut() []byte {
	b := c.buf
	c.noteUsual(len(b))
	c.buf = nil
	c.writing = len(b)
	c.writingCharged, c.charged = c.charged, 0
	return b
}

// writtenLocked: the output that takeOut returned is written, or never will be.
func (c *conn) writtenLocked() {
	c.writing = 0
	c.account.Force(budget.Buffers, -int64(c.writingCharged))
	c.writingCharged = 0
}

// countOut adds what was appended since the last flush to the counters: once per flush,
// or every message to every subscriber would fight for the same cache line.
func (c *conn) countOut() {
	all := c.packets
	for qos, n := range c.published {
		if n > 0 {
			c.b.count.publishOut[qos].Add(uint64(n))
			all += n
		}
	}
	c.b.count.packetsOut.Add(uint64(all))
	c.published, c.packets = [4]int{}, 0
}

// reply appends to the output; the batch flushes it.
func (c *conn) reply(extend func([]byte) []byte) {
	s := c.session
	s.mu.Lock()
	if s.conn == c {
		c.setOut(extend(c.out()))
		c.packets++
	}
	s.mu.Unlock()
}

// lastPacket returns what a client gets before its connection is closed: nothing below
// level 5, nothing after its own DISCONNECT.
func (c *conn) lastPacket() []byte {
	reason, text, ok := c.endReason()
	if !ok || c.level != mqtt.Level5 {
		return nil
	}
	if !c.problemInfo { // 3.1.2.11.7: allowed in DISCONNECT, but not wanted
		text = ""
	}
	packet := mqtt.AppendDisconnect(nil, c.level, reason, text)
	if len(packet) > c.maxPacketOut { // [MQTT-3.14.2-3]: without the text
		packet = mqtt.AppendDisconnect(nil, c.level, reason, "")
	}
	if len(packet) > c.maxPacketOut { // [MQTT-3.1.2-24]
		return nil
	}
	return packet
}
