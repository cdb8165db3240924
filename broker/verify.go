package broker

import (
	"context"
	"errors"
	"net/netip"

	"sensorgate/broker/permissions"
)

// What Verify returns when a password does not open the door.
var (
	ErrBusy  = errors.New("too many logins wait") // the password was not looked at
	ErrLogin = errors.New("user name or password is wrong")
)

// Verify checks a password of the password file for somebody who does not speak MQTT, in
// the one queue of all logins: ErrBusy if it was not looked at, ErrLogin if it is wrong.
func (b *Broker) Verify(ctx context.Context, user string, password []byte, from netip.Addr) error {
	a := permissions.Attempt{User: user, Hash: b.permissions.Load().Hash(user), Password: password, From: network(from.String())}
	switch b.verifier.Check(ctx, a) {
	case permissions.Right:
		return nil
	case permissions.Busy:
		return ErrBusy
	}
	return ErrLogin
}

// HashOf returns what the password file has for a user; "" if it has no such user. It
// changes whenever the password does.
func (b *Broker) HashOf(user string) string { return b.permissions.Load().Hash(user) }
