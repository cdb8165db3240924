package broker

import (
	"context"
	"crypto/x509"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// authenticate is the one place that decides who a client is. certificate is the
// client's, verified, or nil.
func (b *Broker) authenticate(ctx context.Context, l *listener, connect *mqtt.Connect, certificate *x509.Certificate) (*permissions.Identity, mqtt.Reason) {
	if certificate != nil { // required and verified by the listener
		name := permissions.CertificateUser(certificate)
		if name == "" {
			return nil, mqtt.NotAuthorized
		}
		return &permissions.Identity{User: name}, mqtt.Success
	}
	allowed := b.permissions.Load()
	switch {
	case !allowed.HasUsers() && l.anonymous():
		// Without passwords a user name proves nothing, so it counts for nothing.
		return &permissions.Identity{}, mqtt.Success
	case !allowed.HasUsers(), !connect.HasUsername:
		return nil, mqtt.NotAuthorized
	}
	hash := allowed.Hash(connect.Username)
	if !b.verifier.Check(ctx, hash, connect.Password) {
		return nil, mqtt.BadUserNameOrPassword
	}
	return &permissions.Identity{User: connect.Username, Hash: hash}, mqtt.Success
}
