package broker

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/mqtt"
)

// conn is one network connection after its CONNECT was accepted. Its input is handled
// by one goroutine at a time; its output is guarded by the session's mu.
type conn struct {
	b        *Broker
	writer   writer
	listener *listener
	host     string // of the peer, for the limit per address
	remote   string
	level    byte
	session  *session

	keepAlive    time.Duration // 0: none
	bridge       bool          // a mosquitto bridge: no echo, and retain as published
	maxPacketOut int
	maxPacketIn  int
	problemInfo  bool // reason strings are welcome
	aliasesIn    []string
	will         *mqtt.Will
	connack      mqtt.Connack // what a successful CONNECT is answered with
	endedWill    *delayedWill // of the session that this CONNECT ended

	acks  ackQueue
	puts  uint64 // session states put into the journal
	clean bool   // DISCONNECT came: no will

	end error // why input stopped

	buf       []byte // output that waits
	outAt     int    // of it, already written
	writing   int    // bytes that a writer has taken and the socket has not
	counted   int    // of them, in the count of all clients
	published int    // since the last flush, for the counters
	packets   int
	aliases   *aliasesOut

	stopping atomic.Uint32 // 1 + reason, once somebody wants it closed
	done     chan struct{} // closed after teardown
}

// writer is how the bytes of a conn leave: an event loop's socket, or a stream. None of
// its methods blocks.
type writer interface {
	// flushLocked sends c's output as far as the socket takes it and sees to it that the rest
	// follows. The caller holds the session's mu.
	flushLocked(c *conn)
	// wake has the acknowledgements that are due sent, from another goroutine. Called with
	// locks held by the journal: it may take no lock of the broker.
	wake()
	// stop makes the goroutine that serves the conn end it, soon.
	stop()
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// out returns the output to append to; set the longer one with setOut.
func (c *conn) out() []byte {
	if c.buf == nil {
		p := buffers.Get().(*[]byte)
		c.buf = (*p)[:0]
	}
	return c.buf
}

func (c *conn) setOut(b []byte) { c.buf = b }

// waiting is how many bytes the socket has not taken.
func (c *conn) waiting() int { return len(c.buf) - c.outAt + c.writing }

// giveBack returns an output buffer that was written: an idle connection has none.
func giveBack(b []byte) {
	if cap(b) > 0 && cap(b) <= maxOutQueue {
		b = b[:0]
		buffers.Put(&b)
	}
}

// dropOut forgets the output: it was written, or nobody will read it.
func (c *conn) dropOut() {
	if c.counted > 0 {
		c.b.count.outBytes.Add(-int64(c.counted))
		c.counted = 0
	}
	giveBack(c.buf)
	c.buf, c.outAt = nil, 0
}

// keepWaiting is called when the socket took only a part: what is written already makes
// room, and what waits counts against the bound of all clients together.
func (c *conn) keepWaiting() {
	if c.outAt > len(c.buf)/2 {
		c.buf = c.buf[:copy(c.buf, c.buf[c.outAt:])]
		c.outAt = 0
	}
	c.b.count.outBytes.Add(int64(cap(c.buf) - c.counted))
	c.counted = cap(c.buf)
}

// countOut adds what was appended since the last flush to the counters: once per flush,
// or every message to every subscriber would fight for the same cache line.
func (c *conn) countOut() {
	if c.published > 0 {
		c.b.count.publishOut.Add(uint64(c.published))
	}
	c.b.count.packetsOut.Add(uint64(c.published + c.packets))
	c.published, c.packets = 0, 0
}

// flush sends what was appended in this batch.
func (s *session) flush(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = false
	if s.conn == nil {
		return
	}
	s.conn.countOut()
	s.conn.writer.flushLocked(s.conn)
}

// stop asks for the end of the connection, with the reason that the client gets if its
// protocol level can. Only the first reason counts; it reports whether it was that.
func (c *conn) stop(reason mqtt.Reason) (first bool) {
	if !c.stopping.CompareAndSwap(0, 1+uint32(reason)) {
		return false
	}
	c.writer.stop()
	return true
}

// takenOver reports whether another connection of the client waits for this one's end.
// What the client had sent on this one before is handled still: a DISCONNECT counts
// [MQTT-3.14.4-3], messages are not lost, and without its acknowledgements the new
// connection would begin with the same messages again.
func (c *conn) takenOver() bool { return c.stopping.Load() == 1+uint32(mqtt.SessionTakenOver) }

// stopReason returns why stop was called.
func (c *conn) stopReason() (mqtt.Reason, bool) {
	v := c.stopping.Load()
	return mqtt.Reason(v - 1), v != 0
}

// lastPacket returns what a client gets before its connection is closed: nothing below
// level 5, nothing after its own DISCONNECT.
func (c *conn) lastPacket() []byte {
	reason, asked := c.stopReason()
	text := ""
	if c.end == errClosed { // also when another connection has taken over meanwhile
		return nil
	}
	if !asked {
		var fault *mqtt.Error
		if !errors.As(c.end, &fault) {
			return nil
		}
		reason, text = fault.Reason, fault.Error()
	}
	if c.level != mqtt.Level5 {
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

// violated reports whether the client broke the protocol.
func (c *conn) violated() bool {
	var fault *mqtt.Error
	return errors.As(c.end, &fault)
}

// Limits of what waits for one connected client in memory.
const (
	maxOutQoS0  = 1 << 20  // more waits: QoS 0 to it is dropped and counted
	maxOutQueue = 4 << 20  // more waits: QoS 1 and 2 stay in the queue
	maxHeld     = 32 << 20 // a session that is not persistent is disconnected beyond
	// maxOutTotal bounds all clients together: beyond it, a client may only have
	// fairShare waiting.
	maxOutTotal = 64 << 20
	fairShare   = 64 << 10
)

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
