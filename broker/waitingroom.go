package broker

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// waitingRoom holds the connections that have not sent their CONNECT yet. When it is
// full, the one that waits longest has to go: whoever opens sockets and says nothing
// pushes out only his own kind, and memory is bounded. The zero value is ready.
type waitingRoom struct {
	mu   sync.Mutex
	list list.List
}

const maxWaiting = 1000

func (r *waitingRoom) add(nc net.Conn) *list.Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list.Len() >= maxWaiting {
		oldest := r.list.Remove(r.list.Front()).(net.Conn)
		_ = oldest.SetDeadline(time.Unix(1, 0)) // its goroutine sees that and ends
	}
	return r.list.PushBack(nc)
}

func (r *waitingRoom) remove(e *list.Element) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list.Remove(e) // nothing if it was pushed out
}
