// Package poll is the network as the broker's event loop sees it: sockets that never block, and one place to wait for
// all of them. Kernel is the real one, with epoll. Tests put a network in memory in its place (internal/gateway/sim),
// so that the loop's batches can run on virtual time.
package poll

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Network makes listeners, and pollers for what they accept.
type Network interface {
	// Listen binds an address of "tcp" or "unix".
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// Poller makes one; its user closes it.
	Poller() (Poller, error)
	// Take makes a descriptor of a connection, for a Poller; the connection itself is over then. It reports false for
	// a connection that has none.
	Take(nc net.Conn) (fd int, ok bool, err error)
}

// Poller waits for sockets and reads and writes them. One goroutine uses it; Wake, Control, Write and CloseWrite may be
// called by others too. Errors are those of the system calls, EAGAIN where one would have to wait.
type Poller interface {
	// Wait fills events with what is ready, level-triggered, and returns how many there are: none after the timeout or a
	// Wake. A negative timeout is none.
	Wait(events []unix.EpollEvent, timeout time.Duration) (int, error)
	// Wake ends a Wait, or the next one.
	Wake()
	// Control is epoll_ctl.
	Control(op, fd int, events uint32) error
	Read(fd int, b []byte) (int, error)
	Write(fd int, b []byte) (int, error)
	CloseWrite(fd int) error // what waits for the peer still reaches it
	CloseSocket(fd int) error
	Close()
}

// Kernel is the operating system's network.
type Kernel struct{}

// Listen implements Network.
func (Kernel) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, network, address)
}

// Take implements Network for plain TCP and Unix connections. The descriptor is a copy of our own, because the one of
// the Go runtime is watched by the runtime's poller too, which would wake up for every packet.
func (Kernel) Take(nc net.Conn) (fd int, ok bool, err error) {
	var sc syscall.Conn
	switch c := nc.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return 0, false, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	fd = -1
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(cerr, err); err != nil {
		return 0, false, err
	}
	_ = nc.Close() // only the runtime's descriptor; the connection lives on in ours
	return fd, true, nil
}

// Poller implements Network.
func (Kernel) Poller() (Poller, error) { return newEpoll() }
