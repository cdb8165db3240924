package broker

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/internal/mqtt"
)

// run serves until close.
func (l *loop) run() error {
	defer l.sys.Close()
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

func (l *loop) event(e *unix.EpollEvent) {
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

// timeUp looks at a socket whose deadline may have come; it returns the next one.
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
