package broker

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// conn is one network connection after its CONNECT was accepted. Its input is handled
// by one goroutine at a time; its output is guarded by the session's mu.
type conn struct {
	// What every message to the client touches stands together: with many subscribers it is
	// what the processor's cache has to hold.
	buf          []byte // output that waits
	outAt        int    // of it, already written
	writing      int    // bytes that a writer has taken and the socket has not
	maxPacketOut int
	aliases      *aliasesOut
	level        byte
	published    [4]int // by QoS, since the last flush, for the counters
	packets      int    // the same

	b          *Broker
	writer     writer
	listener   *listener
	host       string // of the peer, for the limit per address
	remote     string
	id         string // of the client
	account    *budget.Account
	persistent bool   // the session goes on when the connection has ended
	expiry     uint32 // of the session, as CONNECT asks for
	// Bytes that the account has for the connection, and for what comes with it.
	fixed, willFee, sessionFee, aliasFee int64
	sessionOnDisk                        int64 // held there for the session that this one makes
	session                              *session

	keepAlive   time.Duration // 0: none
	bridge      bool          // a mosquitto bridge: no echo, and retain as published
	limits      Limits        // of its listener, as they were when it connected
	maxPacketIn int
	problemInfo bool // reason strings are welcome
	aliasesIn   []string
	will        *mqtt.Will
	willStored  uint64       // its number in storedWills
	connack     mqtt.Connack // what a successful CONNECT is answered with
	endedWill   *delayedWill // of the session that this CONNECT ended

	acks  ackQueue
	puts  uint64 // session states put into the journal
	clean bool   // DISCONNECT came: no will

	more     bool    // the turn is over, and packets are left
	forDisk  bool    // more, because the disk is behind
	fan      *fanOut // of its last PUBLISH, not sent to all yet
	retrying bool    // a timer will wake it: the budget had no room
	end      error   // why input stopped

	writingCharged int // bytes that the account has for them
	charged        int // bytes that the account has for buf
	usual          int // size that the output had when it was last written

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

// flush sends what was appended in this batch, and returns how many bytes there were.
func (s *session) flush(w *worker) (bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = false
	if s.conn == nil {
		return 0
	}
	bytes = s.conn.waiting()
	s.conn.countOut()
	s.conn.writer.flushLocked(s.conn)
	return bytes
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

// endReason returns why the broker closes the connection; ok is false if the client does.
func (c *conn) endReason() (reason mqtt.Reason, text string, ok bool) {
	if c.end == errClosed { // also when another connection has taken over meanwhile
		return 0, "", false
	}
	if reason, asked := c.stopReason(); asked {
		return reason, "", true
	}
	var fault *mqtt.Error
	if errors.As(c.end, &fault) {
		return fault.Reason, fault.Error(), true
	}
	return 0, "", false
}

// violated reports whether the client broke the protocol.
func (c *conn) violated() bool {
	var fault *mqtt.Error
	return errors.As(c.end, &fault)
}

// endedConns are connections that have ended and still count, until all of their end is done:
// whoever comes again at once must not find their place taken. Its lock is innermost.
type endedConns struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
}

func (e *endedConns) add(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		e.conns = map[*conn]struct{}{}
	}
	e.conns[c] = struct{}{}
}

func (e *endedConns) remove(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}

// full reports whether n, without those that have ended, is as many as may be.
func (e *endedConns) full(n, most int, counts func(*conn) bool) bool {
	if n < most {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		if counts(c) {
			n--
		}
	}
	return n >= most
}
