package broker

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// socket is the writer of a conn that an event loop serves.
type socket struct {
	loop   *loop
	c      *conn
	posted atomic.Bool            // it is in the loop's mail
	first  atomic.Pointer[[]byte] // input that was read before the loop has the socket

	// Guarded by the session's mu.
	added     bool // to epoll
	wantWrite bool // epoll reports when there is room
	dead      bool // the peer is gone or fd is closed: nothing is written any more

	// Used by the loop's goroutine only, fd also to write under the session's mu.
	fd        int
	rest      []byte // input that is not a whole packet yet
	need      int    // how long that packet is, 0 if not known
	heard     time.Time
	restFee   int64 // bytes that the account has for rest
	more      bool  // rest begins with whole packets: the turn was over before them
	paused    bool  // nothing is read: the client must read first
	lastRound bool  // it was taken over, and what was sent before is handled
	lastReads int   // reads since then
	lingering bool  // our side is closed; what still comes is thrown away
}

// takeSocket makes a socket of a plain TCP or Unix connection; nil if it is something
// else.
func (b *Broker) takeSocket(nc net.Conn) (*socket, error) {
	fd, ok, err := b.network.Take(nc)
	if err != nil || !ok {
		return nil, err
	}
	return &socket{loop: b.loopFor(), fd: fd}, nil
}

// begin hands the socket to its loop, with input that was read before.
func (s *socket) begin(rest []byte) {
	rest = append([]byte(nil), rest...)
	s.first.Store(&rest)
	s.wake()
}

func (s *socket) wake() {
	if s.posted.CompareAndSwap(false, true) {
		s.loop.post(s)
	}
}

func (s *socket) stop() { s.wake() }

// attend does what others asked for: begin, send acknowledgements that are due, end.
func (s *socket) attend(w *worker) {
	if s.fd < 0 || s.lingering {
		return
	}
	if first := s.first.Swap(nil); first != nil {
		s.enter(w, *first)
	} else if !s.isAdded() {
		return // asked before begin, which will look
	}
	if s.fd < 0 || s.lingering {
		return
	}
	if s.c.stopping.Load() != 0 {
		s.endAsked(w)
		return
	}
	sess := s.c.session
	sess.mu.Lock()
	s.c.drainAcksLocked()
	sess.fillLocked(w)
	w.touchLocked(sess)
	sess.mu.Unlock()
	if s.c.continueWalks(w) {
		s.wake()
	}
	if s.more {
		s.handle(w, s.rest)
	}
	if s.fd >= 0 && !s.lingering {
		s.resume(w)
	}
}

// resume reads again from a client that has read.
func (s *socket) resume(w *worker) {
	if !s.paused || s.c.mustRead() {
		return
	}
	s.paused = false
	s.heard = w.now
	s.c.session.mu.Lock()
	s.rearm()
	s.c.session.mu.Unlock()
}

// lastReads bounds what a connection that was taken over may still have sent: the new
// one waits for it.
const lastReads = 4

// endAsked ends the connection because somebody asked for it; when that is another one
// of the same client, what the socket holds is handled first, in as many turns as it takes.
func (s *socket) endAsked(w *worker) {
	if s.c.takenOver() && !s.lastInput(w) {
		s.wake()
		return
	}
	if s.isOpen() {
		s.end(w, nil)
	}
}

// lastInput handles what the socket still holds; false if it goes on in another turn. For a
// disk that is behind it does not wait: what was not acknowledged is sent again.
func (s *socket) lastInput(w *worker) (done bool) {
	s.lastRound = true
	for first := true; s.isOpen() && (s.more || s.lastReads < lastReads); first = false {
		switch {
		case s.more && s.c.forDisk:
			return true
		case !first && w.turnIsOver():
			return false
		case s.more:
			s.handle(w, s.rest)
		default:
			s.lastReads++
			if !s.readable(w) {
				return true
			}
		}
	}
	return true
}

func (s *socket) isOpen() bool { return s.fd >= 0 && !s.lingering }

func (s *socket) isAdded() bool {
	s.c.session.mu.Lock()
	defer s.c.session.mu.Unlock()
	return s.added
}

// enter has the loop watch the socket and handles what was read before.
func (s *socket) enter(w *worker, first []byte) {
	l := s.loop
	s.heard = w.now
	for len(l.sockets) <= s.fd {
		l.sockets = append(l.sockets, make([]*socket, max(64, len(l.sockets)))...)
	}
	l.sockets[s.fd] = s
	s.c.session.mu.Lock()
	s.added = true
	err := s.control(unix.EPOLL_CTL_ADD)
	s.c.session.mu.Unlock()
	if err != nil {
		s.end(w, err)
		return
	}
	if s.c.keepAlive > 0 {
		l.clock.watch(s, s.heard.Add(s.c.keepAlive*3/2), w.now)
	}
	if len(first) > 0 {
		s.handle(w, first)
	}
}

// control has epoll watch what we wait for. The caller holds the session's mu.
func (s *socket) control(op int) error {
	var events uint32 = unix.EPOLLRDHUP
	if !s.paused {
		events |= unix.EPOLLIN
	}
	if s.wantWrite {
		events |= unix.EPOLLOUT
	}
	return s.loop.sys.Control(op, s.fd, events)
}

// readable reads once, as much as there is room for, and handles it. Other sockets have
// their turn before there is a second read. It reports whether there was something.
func (s *socket) readable(w *worker) bool {
	if s.more && !s.lingering {
		return false // what was read before is handled first, when it is its turn
	}
	buf, have := s.loop.buf, len(s.rest)
	// A long packet is collected in a buffer of its own, which grows as it comes in and
	// not as it is announced.
	own := s.need > len(buf)/2
	if own {
		if cap(s.rest)-have < loopRead/4 {
			if !s.growRest(min(max(s.need, have+loopRead/4), max(2*have, loopRead))) {
				s.end(w, errInputMemory)
				return false
			}
		}
		buf = s.rest[:cap(s.rest)]
	} else {
		copy(buf, s.rest)
	}
	n, err := s.loop.sys.Read(s.fd, buf[have:])
	switch {
	case n > 0:
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return false
	case s.lingering:
		s.close()
		return false
	case err == nil:
		s.end(w, io.EOF)
		return false
	default:
		s.end(w, err)
		return false
	}
	if s.lingering {
		return true
	}
	s.heard = w.now
	if own {
		s.rest = buf[:have+n]
		if have+n < s.need {
			return true
		}
	}
	s.handle(w, buf[:have+n])
	return true
}

// handle handles the whole packets in data and keeps the rest.
func (s *socket) handle(w *worker, data []byte) {
	w.at = s.c
	used, need, err := s.c.input(w, data)
	w.at = nil
	mustRead := s.c.endBatch(w)
	if err != nil {
		s.end(w, err)
		return
	}
	s.need, s.more = need, s.c.more
	if !s.keepRest(data, data[used:]) {
		s.end(w, errInputMemory)
		return
	}
	switch {
	case s.more && s.c.forDisk:
		time.AfterFunc(diskPause, s.wake)
	case s.more:
		s.wake()
	}
	if mustRead && !s.paused {
		s.paused = true
		s.c.session.mu.Lock()
		s.rearm()
		s.c.session.mu.Unlock()
	}
	if s.c.stopping.Load() != 0 && !s.lastRound {
		s.endAsked(w)
	}
}

// diskPause is after which time a socket looks whether the disk has caught up.
const diskPause = 2 * time.Millisecond

// keepRest keeps what of the input is not handled yet; false if the budget has no room.
func (s *socket) keepRest(data, rest []byte) bool {
	switch {
	case len(rest) > 0 && len(rest) == len(data) && len(s.rest) == len(data):
		return true // already where it belongs
	case len(rest) == 0 && cap(s.rest) > 0:
		s.rest = s.rest[:0]
		return s.growRest(0) // an idle connection has no buffer
	case len(rest) > cap(s.rest):
		// What is there was handled, and rest may be a part of it: it is given back by hand.
		old := s.rest
		if s.rest = nil; !s.growRest(len(rest)) {
			return false
		}
		s.rest = append(s.rest, rest...)
		giveBack(old)
		return true
	}
	s.rest = append(s.rest[:0], rest...)
	return true
}

// growRest makes room for size bytes, and keeps what is there; the client pays for more
// than a little. false if the budget has no room.
func (s *socket) growRest(size int) bool {
	rounded := 0
	if size > 0 {
		_, rounded = class(size)
	}
	fee := int64(rounded)
	if rounded <= smallBuffer {
		fee = 0
	}
	if !s.c.account.Charge(budget.Buffers, fee-s.restFee) {
		return false
	}
	s.restFee = fee
	old := s.rest
	if s.rest = nil; size > 0 {
		s.rest = append(takeBuffer(size), old...)
	}
	giveBack(old)
	return true
}

// flushLocked writes without blocking; epoll reports when the rest fits.
func (s *socket) flushLocked(c *conn) {
	if s.wantWrite || s.dead {
		return
	}
	if !s.write(c) && s.added {
		s.rearm()
	}
}

// write writes what waits; false if the socket did not take all of it.
func (s *socket) write(c *conn) bool {
	for c.outAt < len(c.buf) {
		n, err := s.loop.sys.Write(s.fd, c.buf[c.outAt:])
		switch {
		case err == nil:
			c.outAt += n
			c.b.count.bytesOut.Add(uint64(n))
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			s.wantWrite = true
			c.keepWaiting()
			return false
		default:
			// The peer is gone: reading will show it, and ends the connection.
			s.dead = true
			c.dropOut()
			return true
		}
	}
	c.dropOut()
	return true
}

func (s *socket) rearm() {
	if err := s.control(unix.EPOLL_CTL_MOD); err != nil {
		s.dead = true
		s.c.stop(mqtt.Unspecified)
	}
}

// writable goes on writing, and with what waited for room.
func (s *socket) writable(w *worker) {
	sess := s.c.session
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if !s.wantWrite {
		return // since epoll has named it
	}
	s.wantWrite = false
	if s.write(s.c) {
		s.rearm()
		if sess.conn == s.c {
			sess.fillLocked(w)
			if len(sess.walks) > 0 || s.paused {
				s.wake() // goes on with them when the lock is free
			}
		}
	}
}

// end ends the connection and informs the client, if that is possible. What the client
// has not read yet, it can still read: closing a socket with unread input would throw
// that away, so such a socket lingers for a second or two.
func (s *socket) end(w *worker, err error) {
	c := s.c
	c.end = err
	if w.routing == c {
		w.routing = nil
	}
	w.commit() // what it began before belongs to it still
	words := c.lastPacket()
	sess := c.session
	sess.mu.Lock()
	waits := len(c.buf) > c.outAt
	if !s.dead {
		if len(words) > 0 {
			c.setOut(append(c.out(), words...))
			waits = true
		}
		s.wantWrite = false
		s.write(c)
	}
	s.dead, s.wantWrite = true, false
	c.dropOut()
	sess.mu.Unlock()
	s.rest, s.need, s.more = nil, 0, false // what still comes belongs to no packet
	c.account.Release(budget.Buffers, s.restFee)
	s.restFee = 0
	c.b.end(c)
	if waits && err != io.EOF && s.loop.sys.CloseWrite(s.fd) == nil {
		s.lingering = true
		s.loop.clock.watch(s, w.now.Add(time.Second), w.now)
		return
	}
	s.close()
}

// close closes the descriptor.
func (s *socket) close() {
	if s.fd < 0 {
		return
	}
	s.loop.sockets[s.fd] = nil
	fd := s.fd
	s.fd = -1
	_ = s.loop.sys.CloseSocket(fd) // epoll forgets it with that; the connection is over either way
	b := s.c.b
	s.c = nil // the wheel may know the socket for a minute still
	b.serving.Done()
}
