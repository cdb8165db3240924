package web

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// requestBurst is how many requests an address may make at once, and requestEvery how
	// often it may make one beyond that. A page is made of forty files; five times a second a
	// browser asks for something at most.
	requestBurst = 200
	requestEvery = 5 * time.Millisecond

	knownAddresses = 256 // whose pace is remembered
)

// requestPace slows down addresses that ask without a pause. What is refused or is
// small is not worth a place (places), but reading and answering tens of thousands of
// requests a second is: the broker's messages have the same processor. Nothing is refused,
// the next request is answered a little later. The connections of an address wait one behind
// the other, and there are few of them (connLimit).
type requestPace struct {
	mu  sync.Mutex
	due map[netip.Addr]time.Time // when an address has all of its burst again
}

func newRequestPace() *requestPace { return &requestPace{due: map[netip.Addr]time.Time{}} }

// wait returns when a request of the address may be answered, or with the error of ctx.
func (p *requestPace) wait(ctx context.Context, from netip.Addr) error {
	pause := p.reserve(from, time.Now())
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve counts a request and returns how long it has to wait.
func (p *requestPace) reserve(from netip.Addr, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, known := p.due[from]
	if !known && len(p.due) >= knownAddresses {
		p.forget(now)
		if len(p.due) >= knownAddresses {
			from = netip.Addr{} // strangers beyond these share one pace
			due = p.due[from]
		}
	}
	if due.Before(now) {
		due = now
	}
	due = due.Add(requestEvery)
	p.due[from] = due
	return due.Sub(now) - requestBurst*requestEvery
}

// forget drops the addresses that have all of their burst.
func (p *requestPace) forget(now time.Time) {
	for from, due := range p.due {
		if !due.After(now) {
			delete(p.due, from)
		}
	}
}
