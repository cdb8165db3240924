package broker

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// Reload takes over passwords, ACL, certificates, limits and listeners of o. Either all of
// it counts from then on or, with an error, nothing: what was in force stays. A listener
// that is new is opened, one that is gone closed; who is connected stays connected, but
// for clients whose password was changed or removed, and those without a login where none
// may be any more. Permissions count for every message from then on, also for retained
// and queued ones; limits for who connects from then on, but those of persistent sessions
// for all of them.
func (b *Broker) Reload(o Options) error {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if err := o.fill(); err != nil {
		return err
	}
	allowed, err := permissions.Load(o.Passwords, o.ACL)
	if err != nil {
		return err
	}
	change, err := b.planListeners(&o)
	if err != nil {
		return err
	}
	if err := b.openNew(change); err != nil {
		return err
	}
	o.Journal, o.Network, o.Log, o.Version = b.journal, b.network, b.log, b.version
	b.opt.Store(&o)
	b.memory.SetLimit(o.Memory)
	b.permissions.Store(allowed)
	b.changeListeners(change)
	b.boundSessions()
	b.subs.Touch() // all routes are worked out anew
	b.disconnectRevoked(allowed)
	return nil
}

// boundSessions has the persistent sessions that are there keep to the limits as they are: to
// how much may wait for one, and to how long it may stay without its client.
func (b *Broker) boundSessions() {
	b.mu.Lock()
	sessions := make([]*session, 0, b.persistent)
	for _, s := range b.sessions {
		if s.kept {
			sessions = append(sessions, s)
		}
	}
	b.mu.Unlock()
	for _, s := range sessions {
		b.mu.Lock() // for each: who connects waits for it
		if b.sessions[s.id] == s {
			b.boundLocked(s)
		}
		b.mu.Unlock()
	}
}

func (b *Broker) boundLocked(s *session) {
	if _, err := b.journal.OpenQueue(queueOut+s.id, b.queueLimits()); err != nil {
		b.log.Warn("what waits for a session keeps its bound", "client", s.id, "err", err)
	}
	s.mu.Lock()
	longest := b.boundedExpiry(s.expiry)
	sooner := longest < s.expiry
	s.expiry = longest
	s.mu.Unlock()
	if sooner && s.owner == nil {
		s.stopTimerLocked()
		b.expireLocked(s)
	}
}

// listenerChange is how one set of listeners becomes another.
type listenerChange struct {
	next    []*listener             // in the order of the options
	kept    map[*listener]*listener // with its new settings
	added   []*listener             // of next
	removed []*listener             // that are not in next
	running bool                    // else nothing is opened yet
}

// planListeners checks the listeners of o and finds those that stay.
func (b *Broker) planListeners(o *Options) (*listenerChange, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change := &listenerChange{kept: map[*listener]*listener{}, removed: slices.Clone(b.listeners), running: b.running}
	for i := range o.Listeners {
		fresh, err := newListener(o.Listeners[i])
		if err == nil {
			err = fresh.check(o)
		}
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(change.removed, func(l *listener) bool { return l.same(&o.Listeners[i]) })
		if at < 0 {
			change.added = append(change.added, fresh)
			change.next = append(change.next, fresh)
			continue
		}
		have := change.removed[at]
		change.removed = slices.Delete(change.removed, at, at+1)
		change.kept[have] = fresh
		change.next = append(change.next, have)
	}
	return change, nil
}

// openNew binds the listeners that are new. One that takes the place of another, as
// 0.0.0.0:1883 does of 127.0.0.1:1883, is opened when that is closed; with an error
// everything is as before.
func (b *Broker) openNew(change *listenerChange) error {
	if !change.running {
		return nil
	}
	ctx := context.Background()    // binding does not wait
	var opened, closed []*listener // closed: to be opened again if it does not work out
	for _, l := range change.added {
		err := l.listen(ctx, b.network)
		if errors.Is(err, syscall.EADDRINUSE) {
			for _, old := range change.removed {
				if old.conflicts(l) && old.why() == nil && !slices.Contains(closed, old) {
					old.close()
					closed = append(closed, old)
				}
			}
			err = l.listen(ctx, b.network)
		}
		if err == nil {
			opened = append(opened, l)
			continue
		}
		for _, l := range opened {
			l.close()
		}
		return errors.Join(err, b.reopen(ctx, closed))
	}
	return nil
}

// reopen opens listeners again that were closed for others.
func (b *Broker) reopen(ctx context.Context, closed []*listener) error {
	var faults []error
	for _, l := range closed {
		if err := l.listen(ctx, b.network); err != nil {
			faults = append(faults, err)
			continue
		}
		b.mu.Lock()
		if !b.closing {
			b.startLocked(l)
		}
		b.mu.Unlock()
	}
	return errors.Join(faults...)
}

// changeListeners makes the change count.
func (b *Broker) changeListeners(change *listenerChange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for have, fresh := range change.kept {
		have.now.Store(&fresh.Listener)
		if c := fresh.tls.Load(); c != nil {
			have.tls.Store(c)
		}
	}
	b.listeners = change.next
	for _, l := range change.removed {
		l.close()
		l.removed = true
		b.log.Info("listener closed; who is connected stays", "listener", l.String(), "clients", b.places.takenAt(l))
	}
	for _, l := range change.added {
		if !change.running {
			continue
		}
		if b.closing {
			l.close()
			continue
		}
		b.startLocked(l)
		b.log.Info("listener opened", "listener", l.String())
	}
}

// disconnectRevoked ends the connections of those who may not be here any more: users
// whose password was changed or removed, and clients without a login of a listener that
// takes none, or that is gone and was the only one that did.
func (b *Broker) disconnectRevoked(allowed *permissions.Permissions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		if c.session == nil {
			continue
		}
		who := c.session.who.Load()
		limits := b.limitsOf(c.listener)
		refused := who.User == "" && (c.listener.removed && who.Anonymous && !isTrue(b.limits().Anonymous) || !c.listener.anonymous(&limits))
		if allowed.Revokes(who) || refused {
			c.stop(mqtt.NotAuthorized)
		}
	}
}
