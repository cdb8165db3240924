package broker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/internal/mqtt"
)

// loop serves plain TCP and Unix sockets: one goroutine waits for all of them with
// epoll, reads as much as there is into one buffer, handles it, and flushes every
// connection that was written to once. An idle connection costs neither a goroutine nor
// a buffer, and a lone message costs three system calls: epoll_wait, read, write.
//
// Sockets are watched level-triggered: a short read then needs no second one to see that
// nothing is left, and a FIN that came with the last bytes is not missed.
type loop struct {
	b    *Broker
	epfd int
	bell int // eventfd that ends the waiting

	mu       sync.Mutex
	mail     []*socket // that have something to do; guarded by mu
	closing  bool      // guarded by mu
	sleeping atomic.Bool

	// Used by the loop's goroutine only.
	sockets []*socket // by file descriptor
	events  []unix.EpollEvent
	buf     []byte
	w       *worker
	clock   wheel
}

const loopRead = 64 << 10

func newLoop(b *Broker) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("event loop: epoll_create: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)})
	}
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("event loop: eventfd: %w", err)
	}
	return &loop{
		b: b, epfd: epfd, bell: bell, w: newWorker(b),
		events: make([]unix.EpollEvent, 128), buf: make([]byte, loopRead),
	}, nil
}

// post has the loop look at s. Any goroutine, any lock.
func (l *loop) post(s *socket) {
	l.mu.Lock()
	l.mail = append(l.mail, s)
	l.mu.Unlock()
	l.ring()
}

func (l *loop) ring() {
	if l.sleeping.CompareAndSwap(true, false) {
		_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // full means that it rings already
	}
}

// close ends run; the loop has no sockets any more by then.
func (l *loop) close() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.ring()
}

// run serves until close.
func (l *loop) run() error {
	defer unix.Close(l.epfd)
	defer unix.Close(l.bell)
	for {
		n, err := l.wait()
		if err != nil {
			return fmt.Errorf("event loop: epoll_wait: %w", err)
		}
		l.w.begin()
		l.clock.advance(l.w.now, l.timeUp)
		for i := range n {
			l.event(&l.events[i])
		}
		closing := l.openMail()
		l.w.finish()
		if closing {
			return nil
		}
	}
}

// wait sleeps until there is something to do.
func (l *loop) wait() (n int, err error) {
	l.sleeping.Store(true)
	l.mu.Lock()
	waiting := len(l.mail) > 0 || l.closing
	l.mu.Unlock()
	timeout := l.clock.timeout(time.Now())
	if waiting {
		timeout = 0
	}
	n, err = unix.EpollWait(l.epfd, l.events, timeout)
	l.sleeping.Store(false)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

func (l *loop) event(e *unix.EpollEvent) {
	if int(e.Fd) == l.bell {
		var b [8]byte
		_, _ = unix.Read(l.bell, b[:]) // nothing to read means that it was read
		return
	}
	s := l.sockets[e.Fd]
	if s == nil {
		return // closed by an event before this one
	}
	if e.Events&unix.EPOLLOUT != 0 {
		s.writable(l.w)
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		s.readable(l.w)
	}
}

// openMail looks at the sockets that others have posted.
func (l *loop) openMail() (closing bool) {
	l.mu.Lock()
	mail := l.mail
	l.mail = nil
	closing = l.closing
	l.mu.Unlock()
	for _, s := range mail {
		s.posted.Store(false)
		s.attend(l.w)
	}
	return closing
}

// timeUp looks at a socket whose deadline may have come; it gives the next one.
func (l *loop) timeUp(s *socket, now time.Time) (next time.Time) {
	switch {
	case s.fd < 0:
		return time.Time{}
	case s.lingering:
		s.close()
		return time.Time{}
	case s.c.keepAlive == 0:
		return time.Time{}
	}
	// No packet within one and a half times the keep-alive ends the connection
	// [MQTT-3.1.2-24; v5: 3.1.2-22].
	deadline := s.heard.Add(s.c.keepAlive * 3 / 2)
	if now.Before(deadline) {
		return deadline
	}
	s.c.stop(mqtt.KeepAliveTimeout)
	return time.Time{}
}
