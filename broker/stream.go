package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// stream serves a conn over any net.Conn: one goroutine reads and handles, another
// writes when there is something. TLS and WebSocket need it; plain sockets have the
// event loop.
type stream struct {
	nc       net.Conn
	raw      *restConn // below TLS and WebSocket; nil: there is none
	c        *conn
	woken    chan struct{} // for the writer; has room for one
	drained  chan struct{} // for the reader: the writer has written; has room for one
	inputFee int64         // bytes that the account has for the input
	last     bool          // somebody asked for the end; used by the reader only
}

func newStream(nc net.Conn, c *conn) *stream {
	return &stream{nc: nc, raw: below(nc), c: c, woken: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// below returns what TLS and WebSocket read from; nil if it is something else.
func below(nc net.Conn) *restConn {
	for {
		switch c := nc.(type) {
		case *restConn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

// recordFee is what TLS keeps for its longest record, in bytes, beyond what connFee has.
func (s *stream) recordFee() int64 {
	if s.raw == nil || s.raw.largest <= smallRecord {
		return 0
	}
	return int64(s.raw.largest*3/2 - smallRecord) // it grows by more than it needs
}

// smallRecord is what TLS and WebSocket have as a buffer anyway.
const smallRecord = 4 << 10

func (s *stream) flushLocked(*conn) { s.wake() }

func (s *stream) wake() { signal(s.woken) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will look anyway
	}
}

// lastInput is how long a connection that was taken over is still read: what its client
// had sent before is there at once, and the new connection waits for the end of this.
const lastInput = 20 * time.Millisecond

func (s *stream) stop() {
	// The reader wakes up with an error; it ends the connection.
	at := time.Unix(1, 0)
	if s.c.takenOver() {
		at = time.Now().Add(lastInput)
	}
	_ = s.nc.SetReadDeadline(at)
	signal(s.drained)
}

// run serves until the connection ends. rest is input that was read already.
func (s *stream) run(rest []byte) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		s.write(quit)
	}()
	s.c.end = s.read(rest)
	close(quit)
	// A writer that the peer does not let finish gets a second. A deadline would not do: a
	// WebSocket takes one for the next message only, and from its writer.
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select {
	case <-gone:
		s.sendLastPacket()
	case <-limit.C:
		_ = s.nc.Close()
		<-gone
	}
	s.c.account.Release(budget.Buffers, s.inputFee)
	_ = s.nc.Close()
	s.c.b.end(s.c)
}

const (
	minRead = 2 << 10
	maxRead = 64 << 10
)

// read handles input until the connection ends, and says why it did.
func (s *stream) read(rest []byte) error {
	buf := append(make([]byte, 0, max(minRead, 2*len(rest))), rest...)
	for n := len(rest); ; {
		// Append would wait too, but with locks that event loops need.
		_ = s.c.b.waitForDisk(context.Background()) // ends with the journal at the latest
		used, need, err := s.handle(buf, n)
		if err != nil {
			return err
		}
		if buf = s.resize(buf, used, need); buf == nil {
			return errInputMemory
		}
		s.waitUntilRead()
		s.setDeadline()
		n, err = s.nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.c.stop(mqtt.KeepAliveTimeout) // unless something else was the reason
			}
			return err
		}
	}
}

// handle handles the whole packets in buf, of which n bytes are new. A worker is for one batch:
// while nothing comes the connection has none.
func (s *stream) handle(buf []byte, n int) (used, need int, err error) {
	w := s.c.b.worker()
	defer w.release()
	w.rest(flushCost + n)
	used, need, err = s.c.input(w, buf)
	s.c.endBatch(w)
	return used, need, err
}

// waitUntilRead waits as long as the client must read before it is read from again.
func (s *stream) waitUntilRead() {
	var timeout <-chan time.Time
	for s.c.stopping.Load() == 0 && s.c.mustRead() {
		if s.c.keepAlive > 0 && timeout == nil {
			timer := time.NewTimer(s.c.keepAlive * 3 / 2)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-s.drained:
		case <-timeout:
			s.c.stop(mqtt.KeepAliveTimeout)
		}
	}
}

// resize is the input buffer for the next read, charged to the client with that of TLS; nil if
// the budget has no room.
func (s *stream) resize(buf []byte, used, need int) []byte {
	buf = resize(buf, used, need)
	fee := int64(max(0, cap(buf)-minRead)) + s.recordFee()
	if !s.c.account.Charge(budget.Buffers, fee-s.inputFee) {
		return nil
	}
	s.inputFee = fee
	return buf
}

// resize moves what is not used yet to the front and sees that there is room to read
// into: more when the last read filled it or a longer packet is on its way, less when it
// was hardly used.
func resize(buf []byte, used, need int) []byte {
	rest := buf[used:]
	size := cap(buf)
	switch {
	case len(buf) == cap(buf) && size < maxRead:
		size *= 2
	case len(buf) < cap(buf)/8 && size > minRead:
		size /= 2
	}
	// A long packet gets its space as it comes in, not as it is announced.
	if need > size {
		size = min(need, max(size, 2*len(rest)))
	}
	if size = max(size, len(rest)+minRead/2); size == cap(buf) {
		return buf[:copy(buf, rest)]
	}
	return append(make([]byte, 0, size), rest...)
}

// setDeadline: no packet within one and a half times the keep-alive ends the
// connection [MQTT-3.1.2-24; v5: 3.1.2-22].
func (s *stream) setDeadline() {
	if s.last {
		return // stop has set the deadline that ends it
	}
	if s.c.keepAlive > 0 {
		_ = s.nc.SetReadDeadline(time.Now().Add(s.c.keepAlive * 3 / 2))
	} else {
		_ = s.nc.SetReadDeadline(time.Time{})
	}
	if s.c.stopping.Load() != 0 {
		s.last = true
		s.stop() // it was asked for between the two
	}
}

// write writes whatever waits, until quit is closed and nothing waits.
func (s *stream) write(quit <-chan struct{}) {
	for {
		select {
		case <-s.woken:
		case <-quit:
			s.writeAll()
			return
		}
		if !s.writeAll() {
			// The reader sees it too, at once or with the keep-alive.
			_ = s.nc.SetReadDeadline(time.Unix(1, 0))
			<-quit
			return
		}
	}
}

func (s *stream) writeAll() bool {
	for {
		buf, again := s.next()
		switch {
		case len(buf) == 0 && !again:
			return true
		case len(buf) == 0:
			continue
		}
		n, err := s.nc.Write(buf)
		s.written()
		s.c.b.count.bytesOut.Add(uint64(n))
		if err != nil {
			return false
		}
		giveBack(buf)
	}
}

// next returns what is to be written now, and whether there may be more. It has a worker for that
// alone: the far side may let us wait with what it returns.
func (s *stream) next() (buf []byte, again bool) {
	w := s.c.b.worker()
	defer w.release()
	again = s.c.continueWalks(w)
	return s.take(w), again
}

// take takes the output that waits, after adding what is due.
func (s *stream) take(w *worker) []byte {
	c := s.c
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.session.conn == c {
		c.drainAcksLocked()
		c.session.fillLocked(w)
		c.countOut()
	}
	return c.takeOut()
}

// written: what take returned is out, or never will be.
func (s *stream) written() {
	s.c.session.mu.Lock()
	s.c.writtenLocked()
	s.c.session.mu.Unlock()
	signal(s.drained)
}

// sendLastPacket informs the client why its connection is closed.
func (s *stream) sendLastPacket() {
	if b := s.c.lastPacket(); b != nil {
		_ = s.nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = s.nc.Write(b) // it is closed anyway
	}
}
