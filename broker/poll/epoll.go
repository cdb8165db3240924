package poll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// epoll is the kernel's Poller.
type epoll struct {
	fd   int
	bell int // eventfd that ends the waiting, guarded by ringing; -1 once closed

	// gate is an epoll that the Go runtime's poller watches. fd is in it only while the waiting goroutine is parked, or
	// every packet would wake up a thread of the runtime too.
	gate   *os.File
	raw    syscall.RawConn
	parked bool // fd is in the gate

	ringing sync.Mutex
}

// spinLimit is how long Wait waits in the system call itself. Beyond, the Go runtime would take its processor away and
// keep its monitor thread awake for it, both costlier than to park the goroutine; below, parking would be costlier.
const spinLimit = 8 * time.Millisecond

func newEpoll() (*epoll, error) {
	p := &epoll{}
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	gate, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		// Not blocking, or os.NewFile would not have the runtime watch it.
		err = unix.SetNonblock(gate, true)
	}
	if err == nil {
		p.gate = os.NewFile(uintptr(gate), "epoll")
		p.raw, err = p.gate.SyscallConn()
	}
	if err == nil {
		p.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = p.Control(unix.EPOLL_CTL_ADD, p.bell, unix.EPOLLIN)
	}
	return p, err
}

// Wake may come after Close: whoever calls it does not know. The number of the bell may be
// another file's by then.
func (p *epoll) Wake() {
	p.ringing.Lock()
	defer p.ringing.Unlock()
	if p.bell >= 0 {
		_, _ = write(p.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // full means that it is awake already
	}
}

func (p *epoll) Control(op, fd int, events uint32) error {
	return control(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *epoll) Read(fd int, b []byte) (int, error)  { return read(fd, b) }
func (p *epoll) Write(fd int, b []byte) (int, error) { return write(fd, b) }
func (p *epoll) CloseWrite(fd int) error             { return unix.Shutdown(fd, unix.SHUT_WR) }
func (p *epoll) CloseSocket(fd int) error            { return unix.Close(fd) } // epoll forgets it with that

func (p *epoll) Close() {
	p.ringing.Lock()
	_ = unix.Close(p.bell)
	p.bell = -1
	p.ringing.Unlock()
	_ = p.gate.Close()
	_ = unix.Close(p.fd)
}

func (p *epoll) Wait(events []unix.EpollEvent, timeout time.Duration) (n int, err error) {
	brief := timeout
	if brief < 0 || brief > spinLimit {
		brief = spinLimit
	}
	n, err = p.poll(events, brief)
	if n == 0 && err == nil && brief != timeout {
		n, err = p.park(events, timeout)
	}
	return p.answerBell(events, n), err
}

// answerBell takes the bell out of the events.
func (p *epoll) answerBell(events []unix.EpollEvent, n int) int {
	for i := range n {
		if int(events[i].Fd) == p.bell {
			var b [8]byte
			_, _ = read(p.bell, b[:]) // nothing to read means that it was read
			events[i] = events[n-1]
			return n - 1
		}
	}
	return n
}

// poll asks epoll, and waits in the system call for up to the timeout.
func (p *epoll) poll(events []unix.EpollEvent, timeout time.Duration) (int, error) {
	n, err := unix.EpollWait(p.fd, events, int((timeout+time.Millisecond-1)/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

// park waits for longer: the goroutine rests until the runtime's poller finds that epoll has something. A negative
// timeout is none.
func (p *epoll) park(events []unix.EpollEvent, timeout time.Duration) (n int, err error) {
	deadline := time.Time{}
	if timeout >= 0 {
		deadline = time.Now().Add(max(0, timeout-spinLimit))
	}
	if err := p.gate.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	var perr error
	err = p.raw.Read(func(gate uintptr) bool {
		if n, perr = p.poll(events, 0); n == 0 && perr == nil && !p.parked {
			p.parked = true
			perr = unix.EpollCtl(int(gate), unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
		}
		return n > 0 || perr != nil
	})
	if p.parked {
		p.parked = false
		cerr := p.raw.Control(func(gate uintptr) {
			perr = errors.Join(perr, unix.EpollCtl(int(gate), unix.EPOLL_CTL_DEL, p.fd, nil))
		})
		perr = errors.Join(perr, cerr)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, errors.Join(err, perr)
}
