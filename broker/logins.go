package broker

import (
	"container/list"
	"net"
	"sync"
	"time"

	"sensorgate/broker/budget"
)

// waitingLogins holds the connections that have not sent their CONNECT yet. When it is
// full, in number or in bytes, the one that waits longest has to go: whoever opens sockets
// and says nothing pushes out only his own kind.
type waitingLogins struct {
	account *budget.Account

	mu   sync.Mutex
	list list.List // of *login
}

// login is one of them.
type login struct {
	nc  net.Conn
	fee int64 // bytes that the account has for it
}

const maxWaiting = 1000

func (r *waitingLogins) add(nc net.Conn, fee int64) *list.Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	fits := r.account.Charge(budget.Logins, fee)
	if oldest := r.list.Front(); oldest != nil && (!fits || r.list.Len() >= maxWaiting) {
		r.list.Remove(oldest)
		_ = oldest.Value.(*login).nc.SetDeadline(time.Unix(1, 0)) // its goroutine sees that and ends
	}
	if !fits {
		r.account.Force(budget.Logins, fee)
	}
	return r.list.PushBack(&login{nc, fee})
}

// grow charges what is read of a long CONNECT; false if there is no room.
func (r *waitingLogins) grow(e *list.Element, bytes int64) bool {
	if !r.account.Charge(budget.Logins, bytes) {
		return false
	}
	e.Value.(*login).fee += bytes
	return true
}

func (r *waitingLogins) remove(e *list.Element) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.account.Release(budget.Logins, e.Value.(*login).fee)
	r.list.Remove(e) // nothing if it was pushed out
}
