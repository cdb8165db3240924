package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// connLimit bounds the connections of all listeners together. One address may have
// three quarters of them, so that nobody is kept out by one other.
//
// A browser opens six connections for a page and keeps them, to ask on one of them every few
// seconds: where there is no room, one on which nothing is asked gives way. The browser
// makes a new one when it needs it.
type connLimit struct {
	most   int
	counts *counts

	mu   sync.Mutex
	all  int
	from map[string]int
	idle map[*limitedConn]time.Time // on which nothing is asked, since when
}

// leastIdle is how long nothing was asked on a connection that gives way: one that has just
// been answered is about to be used again.
const leastIdle = time.Second

func newConnLimit(most int, c *counts) *connLimit {
	return &connLimit{most: most, counts: c, from: map[string]int{}, idle: map[*limitedConn]time.Time{}}
}

func (c *connLimit) limit(l net.Listener) net.Listener { return limitedListener{l, c} }

// take reports whether one more connection of an address may be served.
func (c *connLimit) take(addr string) bool {
	for {
		ok, idle := c.tryTake(addr)
		if ok || idle == nil {
			return ok
		}
		idle.Close()
	}
}

// tryTake counts a connection, or returns one that may give way for it.
func (c *connLimit) tryTake(addr string) (ok bool, idle *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.from[addr] >= max(1, c.most*3/4)
	if !own && c.all < c.most {
		c.all++
		c.from[addr]++
		return true, nil
	}
	longest := time.Now().Add(-leastIdle)
	for conn, since := range c.idle {
		if !since.After(longest) && (!own || conn.addr == addr) {
			idle, longest = conn, since
		}
	}
	delete(c.idle, idle)
	return false, idle
}

// state is what an http.Server tells of a connection.
func (c *connLimit) state(conn net.Conn, s http.ConnState) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	l, ok := conn.(*limitedConn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == http.StateIdle {
		c.idle[l] = time.Now()
	} else {
		delete(c.idle, l)
	}
}

func (c *connLimit) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

func (c *connLimit) release(l *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.idle, l)
	c.all--
	if c.from[l.addr]--; c.from[l.addr] <= 0 {
		delete(c.from, l.addr)
	}
}

type limitedListener struct {
	net.Listener
	limit *connLimit
}

// Accept closes connections beyond the limit at once: a queue of them would be answered
// when nobody waits any more.
func (l limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		if l.limit.take(addr) {
			return l.limit.hold(conn, addr), nil
		}
		l.limit.counts.refuse(tooManyConns)
		conn.Close()
	}
}

// hold is a connection that was taken.
func (c *connLimit) hold(conn net.Conn, addr string) *limitedConn {
	l := &limitedConn{Conn: conn, addr: addr}
	l.release = sync.OnceFunc(func() { c.release(l) })
	return l
}

type limitedConn struct {
	net.Conn
	addr    string
	release func()
}

func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
