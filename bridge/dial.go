package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"
)

// dialTimeout bounds name lookup, TCP, TLS and WebSocket handshake together.
const dialTimeout = 30 * time.Second

// ports of the URL schemes when none is given.
var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", s, err)
	}
	port, known := ports[u.Scheme]
	if !known || u.Hostname() == "" {
		return nil, fmt.Errorf("upstream %q: expected mqtt://, mqtts://, ws:// or wss:// and a host", s)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// dialNet opens the byte stream to an upstream.
func (b *Bridge) dialNet(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var secure *tls.Config
	if u.Scheme == "mqtts" || u.Scheme == "wss" {
		var err error
		if secure, err = b.opt.TLS.config(u.Hostname()); err != nil {
			return nil, err
		}
	}
	d := net.Dialer{Control: socketOptions(b.quiet)}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return dialWebSocket(ctx, &d, u, secure)
	}
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil || secure == nil {
		return conn, err
	}
	t := tls.Client(conn, secure)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, explainTLS(err, time.Now())
	}
	return t, nil
}

func (f *TLSFiles) config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName, NextProtos: f.ALPN}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("tls ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls ca %s: no certificate in it (expected PEM)", f.CA)
		}
	}
	if f.Cert != "" {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("tls cert %s: %w", f.Cert, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
