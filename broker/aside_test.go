package broker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"sensorgate/internal/mqtt"
)

// busy occupies all goroutines that do something aside, until free is called.
func busy(b *Broker) (free func()) {
	gate := make(chan struct{})
	var begun sync.WaitGroup
	for range maxAside {
		begun.Add(1)
		b.doAside(func(*worker) { begun.Done(); <-gate })
	}
	begun.Wait()
	return func() { close(gate) }
}

// However much there is to be done aside, a bounded number does it, and all of it.
func TestFewDoWhatIsDoneAside(t *testing.T) {
	b := start(t)
	free := busy(b)
	const n = 1000
	var done [n]atomic.Int32
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		b.doAside(func(*worker) { done[i].Add(1); all.Done() })
	}
	b.aside.slow.mu.Lock()
	waiting, running := len(b.aside.slow.todo), b.aside.slow.running
	b.aside.slow.mu.Unlock()
	if waiting != n || running != maxAside {
		t.Errorf("%d wait and %d run, want %d and %d", waiting, running, n, maxAside)
	}
	free()
	all.Wait()
	for i := range done {
		if got := done[i].Load(); got != 1 {
			t.Errorf("%d was done %d times", i, got)
		}
	}
}

// A thousand clients with wills that were gone at once held an event loop for 760 ms, in
// which it published them all: no loop publishes a will.
func TestWillsHoldNobodyUp(t *testing.T) {
	b := start(t)
	sub := connect(t, b, mqtt.Level311, "sub")
	sub.subscribe("dead/#", 1)
	free := busy(b)
	const n = 20
	for i := range n {
		c := connect(t, b, mqtt.Level311, fmt.Sprint("mortal", i), func(c *mqtt.Connect) {
			c.Will = &mqtt.Will{Topic: fmt.Sprintf("dead/%02d", i), Payload: []byte("x"), QoS: 1}
		})
		_ = c.nc.Close()
	}
	waitFor(t, "the wills wait", func() bool {
		b.aside.slow.mu.Lock()
		defer b.aside.slow.mu.Unlock()
		return len(b.aside.slow.todo) == n
	})
	sub.ping() // the loops have nothing to do with it
	free()
	got := map[string]bool{}
	for range n {
		p := sub.message()
		sub.ack(mqtt.PUBACK, p.ID)
		got[string(p.Topic)] = true
	}
	if len(got) != n {
		t.Errorf("%d wills came, want %d", len(got), n)
	}
}

// Whoever connects waits for a lock that the end of a connection needs too: an event loop does not
// wait with them, and serves the others.
func TestEndOfAConnectionHoldsNobodyUp(t *testing.T) {
	b := start(t)
	gone, other := connect(t, b, mqtt.Level311, "gone"), connect(t, b, mqtt.Level311, "other")
	s := sessionOf(b, "gone")
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	b.mu.Lock()
	_ = gone.nc.Close()
	waitFor(t, "a loop has seen the end", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return c.writer.(*socket).dead
	})
	other.ping()
	b.mu.Unlock()
	<-c.done
}
