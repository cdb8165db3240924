package sim

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/broker/poll"
)

// socketBuffer is how much a connection holds in each direction: small, so that slow readers are felt.
const socketBuffer = 16 << 10

// network is a network in memory: it implements poll.Network for the broker, and connect for clients.
type network struct {
	mu       sync.Mutex
	off      bool // the machine of the gateway has no power
	listener *listener
	sockets  []*socket // by file descriptor
	pollers  []*poller
	conns    map[*conn]struct{}
}

func newNetwork() *network { return &network{conns: map[*conn]struct{}{}, sockets: make([]*socket, 3)} }

// powerOff cuts all connections at once: what the gateway still writes goes nowhere, and what a client had not read yet
// is lost. Clients do not hear of it, as from a machine without power, until they send something or time out; here they
// get the reset that the restarted machine would answer.
func (n *network) powerOff() {
	n.mu.Lock()
	n.off = true
	conns := n.conns
	n.conns = map[*conn]struct{}{}
	n.mu.Unlock()
	for c := range conns {
		c.reset()
	}
}

func (n *network) powerOn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.off = false
	n.listener, n.pollers = nil, nil
	n.sockets = make([]*socket, 3)
}

// pair makes a connection: ours is the gateway's end.
func (n *network) pair() (ours, theirs *end, c *conn) {
	c = &conn{n: n}
	c.cond = sync.NewCond(&c.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.off {
		return nil, nil, nil
	}
	n.conns[c] = struct{}{}
	return &end{c: c, in: &c.down[1], out: &c.down[0]}, &end{c: c, in: &c.down[0], out: &c.down[1]}, c
}

// connect is a client's dial.
func (n *network) connect() (*end, error) {
	ours, theirs, c := n.pair()
	if c == nil {
		return nil, syscall.ECONNREFUSED
	}
	n.mu.Lock()
	l := n.listener
	n.mu.Unlock()
	if l == nil || !l.put(ours) {
		c.reset()
		return nil, syscall.ECONNREFUSED
	}
	return theirs, nil
}

func (n *network) Listen(_ context.Context, _, _ string) (net.Listener, error) {
	l := &listener{}
	l.cond = sync.NewCond(&l.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener = l
	return l, nil
}

func (n *network) Poller() (poll.Poller, error) {
	p := &poller{n: n, watched: map[int]uint32{}}
	p.cond = sync.NewCond(&p.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pollers = append(n.pollers, p)
	return p, nil
}

func (n *network) Take(nc net.Conn) (fd int, ok bool, err error) {
	e, ok := nc.(*end)
	if !ok {
		return 0, false, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets = append(n.sockets, &socket{e: e})
	return len(n.sockets) - 1, true, nil
}

func (n *network) socket(fd int) *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	if fd >= len(n.sockets) {
		return nil
	}
	return n.sockets[fd]
}

// ready wakes who waits for sockets.
func (n *network) ready() {
	n.mu.Lock()
	pollers := n.pollers
	n.mu.Unlock()
	for _, p := range pollers {
		p.look()
	}
}

type listener struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []*end
	closed bool
}

func (l *listener) put(e *end) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, e)
	l.cond.Broadcast()
	return true
}

func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, e := range l.queue {
		e.c.reset()
	}
	l.queue = nil
	l.cond.Broadcast()
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "sim", Net: "unix"} }

// conn is a connection: two streams of bytes. down[0] goes to the client, down[1] to the gateway.
type conn struct {
	n    *network
	mu   sync.Mutex
	cond *sync.Cond
	down [2]stream
	dead bool // reset: nobody hears anything more
	hole bool // half open: what is written now is lost, without a report
}

type stream struct {
	buf    []byte
	closed bool // the writer has closed it
}

func (c *conn) reset() {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	c.changed()
}

// blackhole swallows all bytes from now on in both directions.
func (c *conn) blackhole() {
	c.mu.Lock()
	c.hole = true
	c.mu.Unlock()
}

func (c *conn) isHole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hole
}

func (c *conn) changed() {
	c.cond.Broadcast()
	c.n.ready()
}

// end is one end of a connection, as a net.Conn.
type end struct {
	c       *conn
	in, out *stream

	readBy, writeBy time.Time // guarded by c.mu
}

func (e *end) Read(b []byte) (int, error) {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	for {
		n, err := e.readLocked(b)
		if err != syscall.EAGAIN {
			return n, err
		}
		if !e.waitLocked(e.readBy) {
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// waitLocked waits for a change, at the latest until the deadline, if there is one.
func (e *end) waitLocked(deadline time.Time) bool {
	if deadline.IsZero() {
		e.c.cond.Wait()
		return true
	}
	left := time.Until(deadline)
	if left <= 0 {
		return false
	}
	t := time.AfterFunc(left, e.c.cond.Broadcast)
	e.c.cond.Wait()
	t.Stop()
	return true
}

func (e *end) readLocked(b []byte) (int, error) {
	switch {
	case e.c.dead:
		return 0, syscall.ECONNRESET
	case len(e.in.buf) > 0:
		n := copy(b, e.in.buf)
		e.in.buf = e.in.buf[n:]
		go e.c.changed() // there is room
		return n, nil
	case e.in.closed && !e.c.hole:
		return 0, io.EOF
	}
	return 0, syscall.EAGAIN
}

func (e *end) writeLocked(b []byte) (int, error) {
	switch {
	case e.c.dead || e.out.closed:
		return 0, syscall.EPIPE
	case e.c.hole:
		return len(b), nil
	}
	room := socketBuffer - len(e.out.buf)
	if room <= 0 {
		return 0, syscall.EAGAIN
	}
	n := min(room, len(b))
	e.out.buf = append(e.out.buf, b[:n]...)
	go e.c.changed()
	return n, nil
}

func (e *end) Write(b []byte) (done int, err error) {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	for done < len(b) {
		n, err := e.writeLocked(b[done:])
		done += n
		if err == syscall.EAGAIN {
			if !e.waitLocked(e.writeBy) {
				return done, os.ErrDeadlineExceeded
			}
			continue
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (e *end) CloseWrite() error {
	e.c.mu.Lock()
	e.out.closed = true
	e.c.mu.Unlock()
	e.c.changed()
	return nil
}

func (e *end) Close() error {
	e.c.mu.Lock()
	e.out.closed = true
	if len(e.in.buf) > 0 {
		e.c.dead = true // closed with unread input: a reset
	}
	e.in.buf = nil
	e.c.mu.Unlock()
	e.c.changed()
	return nil
}

func (e *end) LocalAddr() net.Addr  { return &net.UnixAddr{Name: "sim", Net: "unix"} }
func (e *end) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "sim", Net: "unix"} }

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	e.readBy = t
	e.c.cond.Broadcast()
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	e.writeBy = t
	e.c.cond.Broadcast()
	return nil
}

// socket is the gateway's end as a descriptor.
type socket struct{ e *end }

// poller implements poll.Poller over the sockets of a network.
type poller struct {
	n *network

	mu      sync.Mutex
	cond    *sync.Cond
	watched map[int]uint32
	fds     []int
	bell    bool
	news    bool
}

func (p *poller) look() {
	p.mu.Lock()
	p.news = true
	p.cond.Broadcast()
	p.mu.Unlock()
}

func (p *poller) Wake() {
	p.mu.Lock()
	p.bell = true
	p.cond.Broadcast()
	p.mu.Unlock()
}

func (p *poller) Wait(events []unix.EpollEvent, timeout time.Duration) (int, error) {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		p.news = false
		fds, watched := append([]int(nil), p.fds...), map[int]uint32{}
		for fd, w := range p.watched {
			watched[fd] = w
		}
		p.mu.Unlock()
		n := p.collect(events, fds, watched)
		p.mu.Lock()
		if n > 0 || p.bell {
			p.bell = false
			return n, nil
		}
		if p.news {
			continue
		}
		if deadline.IsZero() {
			p.cond.Wait()
			continue
		}
		left := time.Until(deadline)
		if left <= 0 {
			return 0, nil
		}
		t := time.AfterFunc(left, p.cond.Broadcast)
		p.cond.Wait()
		t.Stop()
	}
}

func (p *poller) collect(events []unix.EpollEvent, fds []int, watched map[int]uint32) (n int) {
	for _, fd := range fds {
		s := p.n.socket(fd)
		if s == nil || n == len(events) {
			continue
		}
		if now := s.state() & (watched[fd] | unix.EPOLLHUP); now != 0 {
			events[n] = unix.EpollEvent{Events: now, Fd: int32(fd)}
			n++
		}
	}
	return n
}

func (s *socket) state() (now uint32) {
	c := s.e.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLHUP
	}
	if len(s.e.in.buf) > 0 || s.e.in.closed && !c.hole {
		now |= unix.EPOLLIN
	}
	if len(s.e.out.buf) < socketBuffer {
		now |= unix.EPOLLOUT
	}
	return now
}

func (p *poller) Control(op, fd int, events uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op == unix.EPOLL_CTL_ADD {
		p.fds = append(p.fds, fd)
	}
	p.watched[fd] = events
	p.news = true
	p.cond.Broadcast()
	return nil
}

func (p *poller) Read(fd int, b []byte) (int, error) {
	e := p.n.socket(fd).e
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	n, err := e.readLocked(b)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (p *poller) Write(fd int, b []byte) (int, error) {
	e := p.n.socket(fd).e
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	return e.writeLocked(b)
}

func (p *poller) CloseWrite(fd int) error { return p.n.socket(fd).e.CloseWrite() }

func (p *poller) CloseSocket(fd int) error {
	p.n.mu.Lock()
	s := p.n.sockets[fd]
	p.n.sockets[fd] = nil
	p.n.mu.Unlock()
	p.mu.Lock()
	delete(p.watched, fd)
	for i, o := range p.fds {
		if o == fd {
			p.fds = append(p.fds[:i:i], p.fds[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	return s.e.Close()
}

func (p *poller) Close() {}
