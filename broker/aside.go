package broker

import (
	"runtime"
	"sync"
	"time"
)

// aside does what nobody waits for and what may take a while: it is done beside the event
// loops, in the order in which it came, by few goroutines. A thousand clients that are gone
// at once were a thousand goroutines otherwise, and a loop that woke up came behind them all.
type aside struct {
	mu      sync.Mutex
	todo    []func(w *worker)
	running int
}

// asides are two: what a slow disk may hold up, and what needs neither the disk nor publishes
// anything.
type asides struct{ slow, quick aside }

const (
	maxAside = 4 // a disk that is slow may hold up some of them
	maxQuick = 1
	// asideBatch is how long one goroutine goes on before what it has begun is sent: a
	// subscriber gets the wills of many clients in one write.
	asideBatch = time.Millisecond
)

// doAside has f done soon. The worker is for what it publishes.
func (b *Broker) doAside(f func(w *worker)) { b.doIn(&b.aside.slow, maxAside, f) }

// doIn has f done by one of at most so many goroutines.
func (b *Broker) doIn(a *aside, most int, f func(w *worker)) {
	b.serving.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.todo = append(a.todo, f)
	if a.running < most {
		a.running++
		go b.workAside(a)
	}
}

func (b *Broker) workAside(a *aside) {
	for {
		w := b.worker()
		n := 0
		for end := w.now.Add(asideBatch); n == 0 || time.Now().Before(end); n++ {
			f := a.next()
			if f == nil {
				break
			}
			f(w)
		}
		w.release()
		if n > 0 { // with nothing done a Wait that is about to return would be met once more
			b.serving.Add(-n)
		}
		if n == 0 && a.done() {
			return
		}
		runtime.Gosched() // the loops first
	}
}

// next is what has waited longest; nil for nothing.
func (a *aside) next() func(w *worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.todo) == 0 {
		return nil
	}
	f := a.todo[0]
	a.todo[0] = nil
	a.todo = a.todo[1:]
	return f
}

// done ends a goroutine that has found nothing, unless something has come since.
func (a *aside) done() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.todo) > 0 {
		return false
	}
	a.running--
	return true
}
