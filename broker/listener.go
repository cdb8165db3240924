package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// Listener is one place where clients connect.
type Listener struct {
	Network  string // "tcp", "tls", "ws", "wss", "unix"
	Address  string // host:port or path
	Path     string // of the WebSocket, default "/mqtt"
	Cert     string // files of tls and wss
	Key      string
	ClientCA string   // client certificates are required and checked against this
	Origins  []string // allowed for ws and wss; empty: same origin

	MaxClients    int // connections at a time on this listener; 0: the broker's
	MaxPacketSize int // 0: the broker's
	MaxPerAddress int // connections at a time from one address; 0: no limit
}

func (l *Listener) String() string { return l.Network + "://" + l.Address }

type listener struct {
	Listener

	mu  sync.Mutex
	net net.Listener
}

func newListener(o Listener) (*listener, error) {
	switch o.Network {
	case "tcp", "unix":
	default:
		return nil, fmt.Errorf("listener %s: network %q is not supported (tcp, unix)", &o, o.Network)
	}
	return &listener{Listener: o}, nil
}

// listen binds.
func (l *listener) listen(ctx context.Context) error {
	network := "tcp"
	if l.Network == "unix" {
		network = "unix"
		removeDeadSocket(l.Address)
	}
	var config net.ListenConfig
	n, err := config.Listen(ctx, network, l.Address)
	if err != nil {
		return l.explain(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.net = n
	return nil
}

// explain says what to do about an address that cannot be had.
func (l *listener) explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		by := ""
		if owner := portOwner(l.Address); owner != "" {
			by = " by " + owner
		}
		return fmt.Errorf("listener %s: already taken%s (stop it, or give another address in broker.listen): %w", l, by, err)
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
		_ = c.Close() // somebody lives there
		return
	}
	_ = os.Remove(path) // listening tells what is wrong if this did not help
}

func (l *listener) addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.net.Addr()
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net != nil {
		_ = l.net.Close()
	}
}
