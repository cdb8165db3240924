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
	link     link
	listener *listener
	host     string // of the peer, for the limit per address
	remote   string
	level    byte
	session  *session

	keepAlive     time.Duration // 0: none
	keepAliveOurs bool          // it is not what the client asked for
	maxPacketOut  int
	maxPacketIn   int
	problemInfo   bool // reason strings are welcome
	aliasesIn     []string
	will          *mqtt.Will

	acks  ackQueue
	puts  uint64 // session states put into the journal
	clean bool   // DISCONNECT came: no will

	lastRound bool  // it was taken over, and what was sent before is still handled
	end       error // why input stopped

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

// link is how a conn reaches the network. None of its methods blocks.
type link interface {
	// flush sends c's output as far as the socket takes it and sees to it that the rest
	// follows. The caller holds the session's mu.
	flushLocked(c *conn)
	// wake has the acknowledgements that are due sent, from another goroutine. Called with
	// locks held by the journal: it may take no lock of the broker.
	wake()
	// stop makes the goroutine that serves the conn end it, soon.
	stop()
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// out gives the output to append to; give the longer one back with setOut.
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
	s.conn.link.flushLocked(s.conn)
}

// stop asks for the end of the connection, with the reason the client is told if its
// protocol level can. Only the first reason counts; it reports whether it was that.
func (c *conn) stop(reason mqtt.Reason) (first bool) {
	if !c.stopping.CompareAndSwap(0, 1+uint32(reason)) {
		return false
	}
	c.link.stop()
	return true
}

// stopReason gives why stop was called.
func (c *conn) stopReason() (mqtt.Reason, bool) {
	v := c.stopping.Load()
	return mqtt.Reason(v - 1), v != 0
}

// errClosed ends the input after a DISCONNECT.
var errClosed = errors.New("client disconnected")

// input handles the complete packets at the start of data and says how much that was.
// need is how long the next packet is, 0 if that is not known.
func (c *conn) input(w *worker, data []byte) (used, need int, err error) {
	c.acks.inBatch(true)
	packets := 0
	for c.stopping.Load() == 0 || c.lastRound {
		f, n, err := mqtt.NextFrame(data[used:], c.maxPacketIn)
		if err != nil {
			return used, 0, err
		}
		if f.Raw == nil {
			need = n
			break
		}
		used += n
		packets++
		if err := c.handle(w, f); err != nil {
			return used, 0, err
		}
	}
	c.b.count.packetsIn.Add(uint64(packets))
	c.b.count.bytesIn.Add(uint64(used))
	return used, need, nil
}

// endBatch finishes what the packets of one read have begun.
func (c *conn) endBatch(w *worker) {
	w.commit()
	s := c.session
	s.mu.Lock()
	if s.conn == c {
		c.putStatesLocked(w)
		c.acks.inBatch(false) // from here on commits wake the connection
		c.drainAcksLocked()
		s.fillLocked(w)
		if len(c.buf) > 0 {
			w.touchLocked(s)
		}
	}
	s.mu.Unlock()
}

// handle does what one packet asks for.
func (c *conn) handle(w *worker, f mqtt.Frame) error {
	switch f.Type {
	case mqtt.PUBLISH:
		return c.handlePublish(w, f)
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP:
		a, err := mqtt.ParseAck(f, c.level)
		if err != nil {
			return err
		}
		return c.handleAck(w, f.Type, a)
	case mqtt.SUBSCRIBE:
		return c.handleSubscribe(w, f)
	case mqtt.UNSUBSCRIBE:
		return c.handleUnsubscribe(w, f)
	case mqtt.PINGREQ:
		if err := mqtt.CheckEmpty(f); err != nil {
			return err
		}
		c.reply(func(out []byte) []byte { return append(out, byte(mqtt.PINGRESP)<<4, 0) }) // [MQTT-3.12.4-1]
		return nil
	case mqtt.DISCONNECT:
		return c.handleDisconnect(f)
	case mqtt.AUTH:
		if c.level != mqtt.Level5 {
			return errUnexpected
		}
		if err := mqtt.ParseAuth(f); err != nil {
			return err
		}
		// Nobody has begun an enhanced authentication: we offer no method [MQTT-4.12.0-6, v5].
		return errAuth
	case mqtt.CONNECT:
		return errSecondConnect // [MQTT-3.1.0-2]
	}
	return errUnexpected
}

var (
	errUnexpected    = mqtt.NewError(mqtt.ProtocolError, "packet that only a server sends, or of a reserved type")
	errAuth          = mqtt.NewError(mqtt.ProtocolError, "AUTH without an authentication method")
	errSecondConnect = mqtt.NewError(mqtt.ProtocolError, "second CONNECT")
)

// reply appends to the output; the batch flushes it.
func (c *conn) reply(append func([]byte) []byte) {
	s := c.session
	s.mu.Lock()
	if s.conn == c {
		c.setOut(append(c.out()))
		c.packets++
	}
	s.mu.Unlock()
}

func (c *conn) handleDisconnect(f mqtt.Frame) error {
	d, err := mqtt.ParseDisconnect(f, c.level)
	if err != nil {
		return err
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.HasSessionExpiry && s.conn == c {
		if s.expiry == 0 && d.SessionExpiry != 0 { // [MQTT-3.14.2-2, v5] and 3.14.2.2.2
			return errExpiryFromZero
		}
		s.expiry = d.SessionExpiry
	}
	c.clean = d.Reason != mqtt.DisconnectWithWill // [MQTT-3.14.4-3]
	return errClosed
}

var errExpiryFromZero = mqtt.NewError(mqtt.ProtocolError, "session expiry raised from 0 in DISCONNECT")

// farewell gives what a client is told before its connection is closed: nothing below
// level 5, nothing after its own DISCONNECT.
func (c *conn) farewell() []byte {
	reason, asked := c.stopReason()
	text := ""
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
	return mqtt.AppendDisconnect(nil, c.level, reason, text)
}

// violated reports whether the client broke the protocol.
func (c *conn) violated() bool {
	var fault *mqtt.Error
	return errors.As(c.end, &fault)
}
