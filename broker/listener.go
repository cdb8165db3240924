package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"sensorgate/broker/poll"
)

// listener is one place where clients connect, at work. Network, address and path stay
// what they were; the rest is in settings.
type listener struct {
	Listener
	now     atomic.Pointer[Listener]   // what a reload made of it; nil before
	tls     atomic.Pointer[tls.Config] // tls and wss; a reload changes it
	removed bool                       // by a reload; guarded by Broker.mu

	mu    sync.Mutex
	net   net.Listener
	fault error // of the last attempt to listen
}

// why returns why the listener is not open; nil if it is.
func (l *listener) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// settings are what counts now.
func (l *listener) settings() *Listener {
	if now := l.now.Load(); now != nil {
		return now
	}
	return &l.Listener
}

// same reports whether o is the same place.
func (l *listener) same(o *Listener) bool {
	return l.Network == o.Network && l.Address == o.Address && l.Path == o.Path
}

// conflicts reports whether both cannot be open at one time.
func (l *listener) conflicts(o *listener) bool {
	if l.Network == "unix" || o.Network == "unix" {
		return l.Address == o.Address
	}
	_, a, _ := net.SplitHostPort(l.Address)
	_, b, _ := net.SplitHostPort(o.Address)
	return a == b
}

func newListener(o Listener) (*listener, error) {
	l := &listener{Listener: o}
	if err := o.Limits.check(); err != nil {
		return nil, fmt.Errorf("listener %s: %w", &o, err)
	}
	switch o.Network {
	case "tcp", "ws", "unix":
		if o.Cert != "" || o.Key != "" || o.ClientCA != "" {
			return nil, fmt.Errorf("listener %s: has a certificate and does not use it (tls:// or wss://?)", &o)
		}
	case "tls", "wss":
		c, err := o.tlsConfig()
		if err != nil {
			return nil, err
		}
		l.tls.Store(c)
	default:
		return nil, fmt.Errorf("listener %s: network %q is not known (have tcp, tls, ws, wss, unix)", &o, o.Network)
	}
	return l, nil
}

// check refuses a listener that would let everybody in from everywhere.
func (l *listener) check(o *Options) error {
	limits := l.Limits.over(&o.Limits)
	switch {
	case o.Passwords != "" || l.ClientCA != "" || l.anonymous(&limits):
		return nil
	case limits.Anonymous != nil:
		return fmt.Errorf("listener %s: nobody could connect: anonymous = false and no passwords (set broker.passwords, or client_ca for tls)", l)
	}
	return fmt.Errorf("listener %s: open to the network without passwords "+
		"(set broker.passwords, or client_ca for tls, or listen on 127.0.0.1, or anonymous = true if everybody may connect)", l)
}

func isTrue(b *bool) bool { return b != nil && *b }

// anonymous reports whether clients may come without proof: as the limits say, else only
// from this machine.
func (l *listener) anonymous(limits *Limits) bool {
	if limits.Anonymous != nil {
		return *limits.Anonymous
	}
	if l.Network == "unix" {
		return true // the directory's mode says who may
	}
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listen binds.
func (l *listener) listen(ctx context.Context, on poll.Network) error {
	network := "tcp"
	if l.Network == "unix" {
		network = "unix"
		removeDeadSocket(l.Address)
	}
	n, err := on.Listen(ctx, network, l.Address)
	if err != nil {
		err = l.explain(err)
	} else if l.Network == "tls" || l.Network == "ws" || l.Network == "wss" {
		n = restListener{n}
	}
	if err == nil && l.Network == "wss" {
		n = tls.NewListener(n, l.server())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault = err; err == nil {
		l.net = n
	}
	return err
}

// restListener makes connections that rest: what goroutines of their own serve.
type restListener struct{ net.Listener }

func (l restListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &restConn{Conn: nc}, nil
}

// restConn lets the event loops have the processor after some input. Pings and empty fragments
// of a WebSocket never reach us: without it, a few clients that send nothing else would have
// all processors for 10 ms each in turn.
type restConn struct {
	net.Conn
	unrested int // of the reader
	rests    int
	largest  int // room that the reader has offered: TLS reads into what it keeps for its longest record
}

// A byte of input costs as much as to copy some bytes, in frames of six; and so does a read.
const (
	restPerByte = 16
	restPerRead = 4 << 10
	restAfter   = 128 << 10
)

func (c *restConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.largest = max(c.largest, len(b))
	if c.unrested += restPerRead + restPerByte*n; c.unrested >= restAfter {
		c.unrested = 0
		c.rests++
		runtime.Gosched()
	}
	return n, err
}

// CloseWrite has the peer read to the end of what was written.
func (c *restConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// explain adds what to do about an address that cannot be had.
func (l *listener) explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		by := " by a program of another user, which sudo ss -ltnp names"
		if owner := portOwner(l.Address); owner != "" {
			by = " by " + owner
		}
		return fmt.Errorf("listener %s: already taken%s (stop it, or set another address in broker.listen, or listen = [] and a bridge to it): %w", l, by, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listener %s: no interface has this address (network not up yet? see: ip address): %w", l, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listener %s: not permitted (ports below 1024 need CAP_NET_BIND_SERVICE; sockets a directory that we may write): %w", l, err)
	}
	return fmt.Errorf("listener %s: %w", l, err)
}

// removeDeadSocket removes a socket file that a killed process has left.
func removeDeadSocket(path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close() // somebody listens there
		return
	}
	_ = os.Remove(path) // listening reports what is wrong if this did not help
}

// addr is where the listener listens; nil while it is not open.
func (l *listener) addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net == nil {
		return nil
	}
	return l.net.Addr()
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net != nil {
		_ = l.net.Close()
	}
}

// socket is what is listened on.
func (l *listener) socket() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.net
}

// server wraps the configuration that counts at the moment of each handshake.
func (l *listener) server() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.tls.Load(), nil },
	}
}
