package broker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loopFor returns the event loop of a new connection: each in turn.
func (b *Broker) loopFor() *loop {
	return b.loops[int(b.nextLoop.Add(1))%len(b.loops)]
}

// loop serves plain TCP and Unix sockets: one goroutine waits for all of them with
// epoll, reads as much as there is into one buffer, handles it, and flushes every
// connection that was written to once. An idle connection costs neither a goroutine nor
// a buffer, and a lone message costs three system calls: epoll_wait, read, write.
//
// Sockets are watched level-triggered: a short read then needs no second one to see that
// nothing is left, and a FIN that came with the last bytes is not missed.
type loop struct {
	b      *Broker
	epfd   int
	wakeFD int // eventfd that ends the waiting

	// gate is an epoll that the Go runtime's poller watches. epfd is in it only while the
	// loop is parked, or every packet would wake up a thread of the runtime too.
	gate *os.File
	raw  syscall.RawConn

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
	parked  bool      // epfd is in the gate
	rested  time.Time // when the goroutine last gave way to others
}

const (
	loopRead = 64 << 10
	// spinLimit is how long the loop waits in the system call itself. Beyond, the Go
	// runtime would take its processor away and keep its monitor thread awake for it, both
	// costlier than to park the goroutine; below, parking would be costlier.
	spinLimit = 8 * time.Millisecond
)

func newLoop(b *Broker) (*loop, error) {
	l := &loop{b: b, w: newWorker(b), events: make([]unix.EpollEvent, 128), buf: make([]byte, loopRead)}
	var err error
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("event loop: epoll_create: %w", err)
	}
	gate, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		// Not blocking, or os.NewFile would not have the runtime watch it.
		err = unix.SetNonblock(gate, true)
	}
	if err == nil {
		l.gate = os.NewFile(uintptr(gate), "epoll")
		l.raw, err = l.gate.SyscallConn()
	}
	if err == nil {
		l.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.wakeFD, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.wakeFD)})
	}
	if err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	return l, nil
}

// post has the loop look at s. Any goroutine, any lock.
func (l *loop) post(s *socket) {
	l.mu.Lock()
	l.mail = append(l.mail, s)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) wake() {
	if l.sleeping.CompareAndSwap(true, false) {
		_, _ = unix.Write(l.wakeFD, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // full means that it rings already
	}
}

// close ends run; the loop has no sockets any more by then.
func (l *loop) close() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.wake()
}

// wait sleeps until there is something to do.
func (l *loop) wait() (n int, err error) {
	now := time.Now()
	if now.Sub(l.rested) > spinLimit {
		// A goroutine that seems to run forever is preempted again and again.
		runtime.Gosched()
		l.rested = now
	}
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	l.mu.Lock()
	waiting := len(l.mail) > 0 || l.closing
	l.mu.Unlock()
	timeout := l.clock.timeout(now)
	if waiting {
		timeout = 0
	}
	brief := timeout
	if brief < 0 || brief > spinLimit {
		brief = spinLimit
	}
	n, err = l.poll(brief)
	if n > 0 || err != nil || brief == timeout {
		return n, err
	}
	return l.park(now, timeout)
}

// poll asks epoll, and waits in the system call for up to the timeout.
func (l *loop) poll(timeout time.Duration) (int, error) {
	n, err := unix.EpollWait(l.epfd, l.events, int((timeout+time.Millisecond-1)/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

// park waits for longer: the goroutine rests until the runtime's poller finds that epoll
// has something. A negative timeout is none.
func (l *loop) park(now time.Time, timeout time.Duration) (n int, err error) {
	deadline := time.Time{}
	if timeout >= 0 {
		deadline = now.Add(timeout)
	}
	if err := l.gate.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	var perr error
	err = l.raw.Read(func(gate uintptr) bool {
		if n, perr = l.poll(0); n == 0 && perr == nil && !l.parked {
			l.parked = true
			perr = unix.EpollCtl(int(gate), unix.EPOLL_CTL_ADD, l.epfd, &unix.EpollEvent{Events: unix.EPOLLIN})
		}
		return n > 0 || perr != nil
	})
	if l.parked {
		l.parked = false
		cerr := l.raw.Control(func(gate uintptr) {
			perr = errors.Join(perr, unix.EpollCtl(int(gate), unix.EPOLL_CTL_DEL, l.epfd, nil))
		})
		perr = errors.Join(perr, cerr)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	l.rested = time.Now()
	return n, errors.Join(err, perr)
}
