package broker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/broker/poll"
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
	b   *Broker
	sys poll.Poller

	mu       sync.Mutex
	mail     []*socket   // that have something to do; guarded by mu
	closing  bool        // guarded by mu
	due      atomic.Bool // there is mail, or it is closing
	sleeping atomic.Bool

	// Used by the loop's goroutine only.
	sockets []*socket // by file descriptor
	events  []unix.EpollEvent
	named   int // of events: what epoll has named
	next    int // of those, the first that has had no turn yet
	rests   rests
	buf     []byte
	w       *worker
	clock   wheel
}

const loopRead = 64 << 10

func newLoop(b *Broker) (*loop, error) {
	sys, err := b.network.Poller()
	if err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	l := &loop{b: b, sys: sys, w: newWorker(b), events: make([]unix.EpollEvent, 128), buf: make([]byte, loopRead)}
	l.w.onLoop = true
	return l, nil
}

// post has the loop look at s. Any goroutine, any lock.
func (l *loop) post(s *socket) {
	l.mu.Lock()
	l.mail = append(l.mail, s)
	l.due.Store(true)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) wake() {
	if l.sleeping.CompareAndSwap(true, false) {
		l.sys.Wake()
	}
}

// close ends run; the loop has no sockets any more by then.
func (l *loop) close() {
	l.mu.Lock()
	l.closing = true
	l.due.Store(true)
	l.mu.Unlock()
	l.wake()
}

// rests says when a loop lets others run, between two turns.
//
// The Go runtime takes the processor away from a goroutine that has not been rescheduled for
// 10 ms: within a turn, and to give it to each of the others for as long; or in the middle of a
// wait in the system call, and then its monitor thread wakes up 20,000 times a second for some
// milliseconds, in case it has to be done again. At 500 messages a second that was a third of
// all processor time. So the loop gives way before. To do it costs some microseconds: with
// short turns it is seldom.
type rests struct {
	last  time.Time     // a rest, or a wait in which the others could have the processor
	yield time.Time     // when the loop was rescheduled last
	wait  time.Duration // the newest: the next may be as long
}

const (
	restEvery = 1500 * time.Microsecond
	restAtAll = 8 * time.Millisecond
	nap       = time.Millisecond // a wait that was a rest too
)

// waited notes a wait that has ended at now.
func (r *rests) waited(since, now time.Time) {
	if r.wait = now.Sub(since); r.wait > nap {
		r.last = now
	}
}

// due reports whether the loop is to rest after a turn that has ended at now, and notes it.
func (r *rests) due(now time.Time, turn time.Duration) bool {
	if now.Sub(r.last) <= max(restEvery, restAtAll-8*turn) && now.Sub(r.yield)+r.wait <= restAtAll {
		return false
	}
	r.last, r.yield = now, now
	return true
}

// wait sleeps until there is something to do. It asks for more only when all that epoll has
// named had a turn: in the order in which it names them the last ones would never have one.
func (l *loop) wait() (err error) {
	if l.next < l.named {
		return nil
	}
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	waiting := l.due.Load() || len(l.w.touched) > 0
	timeout := l.clock.timeout(time.Now())
	if waiting {
		timeout = 0
	}
	l.next = 0
	l.named, err = l.sys.Wait(l.events, timeout)
	return err
}
