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

	acks   ackQueue
	ackFee int64  // bytes that the account has for acks
	puts   uint64 // session states put into the journal
	clean  bool   // DISCONNECT came: no will

	more     bool    // the turn is over, and packets are left
	forDisk  bool    // more, because the disk is behind
	fan      *fanOut // of its last PUBLISH, not sent to all yet
	retrying bool    // a timer will wake it: the budget had no room
	end      error   // why input stopped

	writingCharged int // bytes that the account has for them
	charged        int // bytes that the account has for buf
	usual          int // size that the output had when it was last written, see noteUsual
	shorter        int // outputs in a row that were shorter than usual

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

// places are those that connections take up of what may be connected, at all, at a listener and
// from an address. A connection gives its place back when it ends, before all of its end is
// done: who comes again at once must not find it taken. The lock is innermost.
type places struct {
	mu       sync.Mutex
	conns    map[*conn]struct{}
	listener map[*listener]int
	host     map[string]int
}

func newPlaces() places {
	return places{conns: map[*conn]struct{}{}, listener: map[*listener]int{}, host: map[string]int{}}
}

func (p *places) take(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	p.listener[c.listener]++
	p.host[c.host]++
}

// giveBack does nothing for a connection that has none any more.
func (p *places) giveBack(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, has := p.conns[c]; !has {
		return
	}
	delete(p.conns, c)
	if p.listener[c.listener]--; p.listener[c.listener] == 0 {
		delete(p.listener, c.listener)
	}
	if p.host[c.host]--; p.host[c.host] == 0 {
		delete(p.host, c.host)
	}
}

// taken returns how many are taken at all, at the listener of c and from its address.
func (p *places) taken(c *conn) (all, listener, host int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns), p.listener[c.listener], p.host[c.host]
}

// takenAt returns how many are taken at a listener.
func (p *places) takenAt(l *listener) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener[l]
}
