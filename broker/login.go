package broker

import (
	"context"
	"crypto/x509"
	"net/netip"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// What CONNECTs may take together that wait for their password to be looked at is a part of the
// budget; those that are usual are bounded by their number, and wait for nobody's.
const (
	usualConnect   = 4 << 10
	longLoginShare = 8
)

// authenticateLong is authenticate for a CONNECT of any length: where too many long ones wait, one
// more is refused unread.
func (b *Broker) authenticateLong(ctx context.Context, c *conn, connect *mqtt.Connect, certificate *x509.Certificate) (*permissions.Identity, mqtt.Reason) {
	size := connectSize(connect)
	if size <= usualConnect {
		return b.authenticate(ctx, c, connect, certificate)
	}
	defer b.longLogins.Add(-size)
	if b.longLogins.Add(size) > b.memory.Limit()/longLoginShare {
		return nil, mqtt.ServerBusy
	}
	return b.authenticate(ctx, c, connect, certificate)
}

// connectSize is about what a CONNECT takes in memory, in bytes.
func connectSize(c *mqtt.Connect) int64 {
	return int64(len(c.ClientID)+len(c.Username)+len(c.Password)) + userFee(c.User, cap(c.User)) + willFee(c.Will)
}

// authenticate is the one place that decides who a client is. certificate is the
// client's, verified, or nil.
func (b *Broker) authenticate(ctx context.Context, c *conn, connect *mqtt.Connect, certificate *x509.Certificate) (*permissions.Identity, mqtt.Reason) {
	if certificate != nil { // required and verified by the listener
		name := permissions.CertificateUser(certificate)
		if name == "" {
			return nil, mqtt.NotAuthorized
		}
		return &permissions.Identity{User: name}, mqtt.Success
	}
	allowed := b.permissions.Load()
	switch {
	case !allowed.HasUsers() && c.listener.anonymous(&c.limits):
		// Without passwords a user name proves nothing, so it counts for nothing.
		return &permissions.Identity{Anonymous: isTrue(c.limits.Anonymous)}, mqtt.Success
	case !connect.HasUsername && isTrue(c.limits.Anonymous):
		return &permissions.Identity{Anonymous: true}, mqtt.Success
	case !allowed.HasUsers(), !connect.HasUsername:
		return nil, mqtt.NotAuthorized
	}
	hash := allowed.Hash(connect.Username)
	switch b.verifier.Check(ctx, permissions.Attempt{User: connect.Username, Hash: hash, Password: connect.Password, From: network(c.host)}) {
	case permissions.Right:
		return &permissions.Identity{User: connect.Username, Hash: hash}, mqtt.Success
	case permissions.Busy:
		return nil, mqtt.ServerBusy // never "wrong": nobody has looked at the password
	}
	return nil, mqtt.BadUserNameOrPassword
}

// network is the address that shares the turns of its logins: with IPv6 one subscriber
// has 2^64 addresses.
func network(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is6() || ip.Is4In6() {
		return host
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}
