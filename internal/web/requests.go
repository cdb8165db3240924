package web

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// A bucket is how many requests may be made at once, and how often one beyond that.
type bucket struct {
	burst int
	every time.Duration
}

// A page is made of forty files, and a browser that shows it asks five times a second at most.
var (
	ofAddress = bucket{200, 10 * time.Millisecond}
	ofAll     = bucket{400, 3 * time.Millisecond}
)

const knownAddresses = 256 // whose pace is remembered

// requestPace slows down who asks without a pause. What is refused or is small is not worth a
// place (places), but reading and answering tens of thousands of requests a second is: the
// broker's messages have the same processor. Nothing is refused, the next request is answered
// a little later. Those of one address wait one behind the other, and then those of all; a
// connection has one at a time, and there are few connections (connLimit).
type requestPace struct {
	slowed func() // is called for a request that has to wait

	mu  sync.Mutex
	due map[netip.Addr]time.Time // when an address has all of its burst again; the zero one is all together
}

func newRequestPace(slowed func()) *requestPace {
	return &requestPace{slowed: slowed, due: map[netip.Addr]time.Time{}}
}

// wait returns when a request of the address may be answered, or with the error of ctx.
func (p *requestPace) wait(ctx context.Context, from netip.Addr) error {
	if from.Is6() { // one machine has at least so many
		from = netip.PrefixFrom(from, 64).Masked().Addr()
	}
	own := p.reserve(from, ofAddress, time.Now())
	if err := rest(ctx, own); err != nil {
		return err
	}
	all := p.reserve(netip.Addr{}, ofAll, time.Now())
	if own > 0 || all > 0 {
		p.slowed()
	}
	return rest(ctx, all)
}

func rest(ctx context.Context, pause time.Duration) error {
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
func (p *requestPace) reserve(from netip.Addr, b bucket, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, known := p.due[from]
	if !known && len(p.due) >= knownAddresses {
		p.forget(now)
		if len(p.due) >= knownAddresses {
			from = netip.IPv4Unspecified() // addresses beyond these share one pace
			due = p.due[from]
		}
	}
	if due.Before(now) {
		due = now
	}
	due = due.Add(b.every)
	p.due[from] = due
	return due.Sub(now) - time.Duration(b.burst)*b.every
}

// forget drops the addresses that have all of their burst.
func (p *requestPace) forget(now time.Time) {
	for from, due := range p.due {
		if !due.After(now) {
			delete(p.due, from)
		}
	}
}
