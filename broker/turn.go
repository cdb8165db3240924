package broker

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/internal/mqtt"
)

// A turn of the loop gives everybody who has something to do a share of it. Whoever needs
// more goes on in the next turn, after all others: so a client waits at most for one turn,
// however much another one asks for.
const (
	turnTime   = 4 * time.Millisecond   // for all input of a turn
	shareFloor = 100 * time.Microsecond // of it for one connection, at least
	mailTime   = 2 * time.Millisecond   // for what others have posted
	flushTime  = 2 * time.Millisecond   // for writing
	// Whatever the input took, the rest of the turn has a little: and no more, if it took all.
	// An operating system that gives the processor to others in between makes a turn longer by
	// several milliseconds.
	turnAtMost = 6 * time.Millisecond
	little     = time.Millisecond
)

// leftOf is what of a limit is left when the turn has lasted so long.
func leftOf(limit, lasted time.Duration) time.Duration {
	return min(limit, max(little, turnAtMost-lasted))
}

// run serves until close.
func (l *loop) run() error {
	defer l.sys.Close()
	var end time.Time // of the turn before
	for {
		if err := l.wait(); err != nil {
			return fmt.Errorf("event loop: epoll_wait: %w", err)
		}
		l.w.begin()
		l.rests.waited(end, l.w.now)
		l.clock.advance(l.w.now, l.timeUp)
		l.handleEvents()
		closing := l.openMail()
		if closing {
			l.w.finish()
			return nil
		}
		l.w.flushSome(leftOf(flushTime, time.Since(l.w.now)))
		end = time.Now()
		turn := end.Sub(l.w.now)
		l.b.count.turn(turn)
		if l.rests.due(end, turn) {
			runtime.Gosched()
		}
	}
}

// handleEvents lets each socket that epoll has named have its share of the turn. Those for
// whom no time is left have the next one, before anybody is named again.
func (l *loop) handleEvents() {
	share := max(shareFloor, turnTime/time.Duration(max(1, l.named-l.next)))
	now := l.w.now
	end := now.Add(turnTime)
	l.w.spent = l.due.Load() // whoever put something costly off goes first
	for first := l.next; l.next < l.named; {
		if l.next > first {
			if now = time.Now(); now.After(end) {
				break
			}
		}
		l.w.until = now.Add(share)
		l.next++
		l.event(&l.events[l.next-1])
	}
	l.w.spent = false
}

func (l *loop) event(e *unix.EpollEvent) {
	s := l.sockets[e.Fd]
	if s == nil {
		return // closed by an event before this one
	}
	if e.Events&unix.EPOLLOUT != 0 {
		s.writable(l.w)
	}
	if in := e.Events &^ unix.EPOLLOUT; in != 0 && (s.lingering || !s.lastRound && (in != unix.EPOLLIN || !s.paused)) {
		s.readable(l.w)
	}
}

// openMail looks at the sockets that others have posted, in their order. What there is no
// time for stays for the next turn.
func (l *loop) openMail() (closing bool) {
	if !l.due.Load() {
		return false
	}
	l.mu.Lock()
	mail := l.mail
	l.mail = nil
	closing = l.closing
	l.due.Store(closing)
	l.mu.Unlock()
	if len(mail) == 0 {
		return closing
	}
	now := time.Now()
	limit := leftOf(mailTime, now.Sub(l.w.now))
	end := now.Add(limit)
	share := max(shareFloor, limit/time.Duration(len(mail)))
	for i, s := range mail {
		if i > 0 {
			now = time.Now()
		}
		if now.After(end) && !closing {
			l.mu.Lock()
			l.mail = append(mail[i:], l.mail...)
			l.due.Store(true)
			l.mu.Unlock()
			return closing
		}
		l.w.until = now.Add(share)
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
