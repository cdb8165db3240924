package broker

import (
	"fmt"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// Reload takes over passwords, ACL, certificates and limits of o. Either all of it
// counts from then on or, with an error, nothing: what was in force stays. Listeners
// cannot be added, removed or moved; that needs a restart, and is an error too.
//
// Clients whose password is not in the file any more are disconnected. Rights count for
// every message from then on, also for retained and queued ones.
func (b *Broker) Reload(o Options) error {
	if err := o.fill(); err != nil {
		return err
	}
	if len(o.Listeners) != len(b.listeners) {
		return fmt.Errorf("broker: %d listeners, now %d: that needs a restart", len(b.listeners), len(o.Listeners))
	}
	allowed, err := permissions.Load(o.Passwords, o.ACL)
	if err != nil {
		return err
	}
	fresh := make([]*listener, len(o.Listeners))
	for i, l := range o.Listeners {
		if have := b.listeners[i]; l.Network != have.Network || l.Address != have.Address || l.Path != have.Path {
			return fmt.Errorf("broker: listener %s, now %s: that needs a restart", have, &l)
		}
		if fresh[i], err = newListener(l); err != nil {
			return err
		}
		if err := fresh[i].check(o.Passwords); err != nil {
			return err
		}
	}
	o.Journal, o.Network, o.Log, o.Version = b.journal, b.network, b.log, b.version
	b.opt.Store(&o)
	b.memory.SetLimit(o.Memory)
	for i, l := range fresh {
		if c := l.tls.Load(); c != nil {
			b.listeners[i].tls.Store(c)
		}
	}
	b.permissions.Store(allowed)
	b.subs.Touch() // all routes are worked out anew
	b.disconnectRevoked(allowed)
	return nil
}

// disconnectRevoked ends the connections of users whose password was changed or removed.
func (b *Broker) disconnectRevoked(allowed *permissions.Permissions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		if c.session != nil && allowed.Revokes(c.session.who.Load()) {
			c.stop(mqtt.NotAuthorized)
		}
	}
}
