package mqtttools

import "context"

// Login is one attempt to log in at a broker, as sensorgate check --hardware makes it.
type Login struct {
	URL, User, Password, ClientID string

	CAFile, CertFile, KeyFile string // PEM; "" for what the system trusts and no certificate
	ALPN                      string // protocols with commas between them; "" asks for none
	ServerName                string // in the certificate; "" is the host of URL
}

// Try connects, logs in and disconnects. It returns nil when the broker accepted the
// login, and otherwise where it failed, why and what to try. The session of another
// client id is not touched.
func (l Login) Try(ctx context.Context) error {
	c := client{
		url: l.URL, user: l.User, password: l.Password, id: l.ClientID, keepAlive: 30,
		cafile: l.CAFile, cert: l.CertFile, key: l.KeyFile, alpn: l.ALPN, serverName: l.ServerName,
	}
	if err := c.parseURL(); err != nil {
		return err
	}
	conn, err := c.open(ctx, events{})
	if err != nil {
		return err
	}
	conn.disconnect()
	return nil
}
