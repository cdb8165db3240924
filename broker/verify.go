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

// Reader returns what a user may read, as a client with the login would; "" is a client
// without one. ok is false if there is no such user, or nobody gets in without a login.
func (b *Broker) Reader(user string) (may func(topic string) bool, ok bool) {
	p := b.permissions.Load()
	who, ok := identityOf(p, user)
	return func(topic string) bool { return p.MayRead(who, topic) }, ok
}

// Writer is Reader for what a user may publish.
func (b *Broker) Writer(user string) (may func(topic string) bool, ok bool) {
	p := b.permissions.Load()
	who, ok := identityOf(p, user)
	return func(topic string) bool { return !ownTopic(topic) && p.MayWrite(who, topic) }, ok
}

func identityOf(p *permissions.Permissions, user string) (who *permissions.Identity, ok bool) {
	who = &permissions.Identity{User: user, Hash: p.Hash(user)}
	return who, user == "" && !p.HasUsers() || user != "" && who.Hash != ""
}

// HashOf returns what the password file has for a user; "" if it has no such user. It
// changes whenever the password does.
func (b *Broker) HashOf(user string) string { return b.permissions.Load().Hash(user) }
