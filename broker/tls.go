package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsConfig reads the listener's files. Client certificates, if a CA is given, are
// required: an optional proof of identity is none.
func (l *Listener) tlsConfig() (*tls.Config, error) {
	if l.Cert == "" || l.Key == "" {
		return nil, fmt.Errorf("listener %s: certificate and key are needed (cert = …, key = …)", l)
	}
	cert, err := tls.LoadX509KeyPair(l.Cert, l.Key)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if l.ClientCA != "" {
		pem, err := os.ReadFile(l.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("listener %s: client CA: %w", l, err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("listener %s: client CA %s: no certificate in it", l, l.ClientCA)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}
