package bridge

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketOptions lets the kernel give up on data that nobody acknowledges: without it a
// connection that went away without a word holds what we send for a quarter of an hour.
func socketOptions(silence time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
		})
		if err != nil {
			return err
		}
		return failed
	}
}

// outstanding is how many bytes of what we wrote the peer's TCP has not acknowledged.
// ok is false if that cannot be known.
func outstanding(c net.Conn) (n int, ok bool) {
	for {
		inner, wrapped := c.(interface{ NetConn() net.Conn }) // TLS, WebSocket
		if !wrapped {
			break
		}
		c = inner.NetConn()
	}
	s, isSocket := c.(syscall.Conn)
	if !isSocket {
		return 0, false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	return n, err == nil && failed == nil
}
