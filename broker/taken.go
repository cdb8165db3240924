package broker

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// How long a listener waits before it is tried again: from the first to the last, each
// twice the one before.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// mayPass reports whether err is of an address that may be free or there later: another
// program has it, or the interface has no address yet because the network is still starting.
func mayPass(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// listenAll binds all listeners. With Options.Patient one whose address is taken is left
// for later: readings, journal and bridges do not depend on it.
func (b *Broker) listenAll(ctx context.Context) error {
	for _, l := range b.listeners {
		err := l.listen(ctx, b.network)
		if err == nil {
			continue
		}
		if !b.limits().Patient || !mayPass(err) {
			return err
		}
		b.log.Error("a listener is not open; everything else works, and it is tried again", "err", err)
	}
	return nil
}

// awaitListeners tries those again that are not open, until all are or ctx ends.
func (b *Broker) awaitListeners(ctx context.Context) {
	for pause := firstRetry; b.waitingListeners() > 0; pause = min(2*pause, lastRetry) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			b.retryListeners(ctx)
		}
	}
}

// waitingListeners returns how many listeners are not open.
func (b *Broker) waitingListeners() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		if l.why() != nil {
			n++
		}
	}
	return n
}

// retryListeners tries each listener that is not open once. A reload meanwhile would open
// the same address twice.
func (b *Broker) retryListeners(ctx context.Context) {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	for _, l := range b.listeners { // only a reload changes the list
		if l.why() == nil || l.listen(ctx, b.network) != nil {
			continue
		}
		b.mu.Lock()
		if b.closing {
			l.close()
		} else {
			b.startLocked(l)
			b.log.Info("listener opened", "listener", l.String())
		}
		b.mu.Unlock()
	}
}

// NotListening returns why each listener that is not open is not, in their order; what to
// do about it stands in the error. It is empty when all accept.
func (b *Broker) NotListening() (reasons []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		if err := l.why(); err != nil {
			reasons = append(reasons, err)
		}
	}
	return reasons
}
