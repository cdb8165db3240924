package mqtttools

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/net/proxy"
)

// connectTimeout bounds opening a line and the broker's answer on it.
const connectTimeout = 10 * time.Second

// dial opens the line to the broker: TCP, TLS, WebSocket or a Unix socket, through a proxy
// and from an address of ours if the flags say so.
func (c *client) dial(ctx context.Context) (net.Conn, error) {
	u, err := url.Parse(c.address())
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "unix":
		var d net.Dialer
		return d.DialContext(ctx, "unix", c.socket)
	case "ws", "wss":
		return c.dialWeb(u)
	}
	nc, err := c.dialTCP(ctx, u.Host)
	if err != nil || u.Scheme != "ssl" {
		return nc, err
	}
	conf, err := c.tlsConfig()
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	if conf.ServerName == "" {
		conf.ServerName = u.Hostname()
	}
	secure := tls.Client(nc, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return secure, nil
}

func (c *client) dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d, err := c.dialer()
	if err != nil || c.proxy == "" {
		if err != nil {
			return nil, err
		}
		return d.DialContext(ctx, "tcp", address)
	}
	u, err := url.Parse(c.proxy)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--proxy: %w", err)}
	}
	through, err := proxy.FromURL(u, d)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--proxy: %w (have socks5h://[user:password@]host[:port])", err)}
	}
	return through.(proxy.ContextDialer).DialContext(ctx, "tcp", address) // SOCKS5 is one: checkProxy lets nothing else through
}

// dialer is bound to the address of -A.
func (c *client) dialer() (*net.Dialer, error) {
	d := &net.Dialer{}
	if c.bind == "" {
		return d, nil
	}
	a, err := net.ResolveIPAddr("ip", c.bind)
	if err != nil {
		return nil, UsageError{fmt.Errorf("-A %s: %w", c.bind, err)}
	}
	d.LocalAddr = &net.TCPAddr{IP: a.IP, Zone: a.Zone}
	return d, nil
}

// checkProxy looks at --proxy: mosquitto's socks5h is what the library calls socks5, the
// name is looked up by the proxy either way.
func (c *client) checkProxy() error {
	if c.proxy == "" {
		return nil
	}
	u, err := url.Parse(c.proxy)
	if err != nil || u.Host == "" || u.Scheme != "socks5h" && u.Scheme != "socks5" {
		return fmt.Errorf("--proxy %s: expected socks5h://[user:password@]host[:port]", withoutPassword(c.proxy))
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "1080")
	}
	u.Scheme = "socks5"
	c.proxy = u.String()
	return nil
}

// checkWay refuses what the line to the broker cannot do, when it is known where that is:
// to go another way in silence is not what was asked for.
func (c *client) checkWay() error {
	flag := ""
	switch {
	case c.bind != "":
		flag = "-A"
	case c.proxy != "":
		flag = "--proxy"
	}
	switch address := c.address(); {
	case flag == "":
		return nil
	case strings.HasPrefix(address, "unix:"):
		return fmt.Errorf("%s is for TCP and TLS, and the broker is at the Unix socket %s (name its port: -h HOST -p PORT)", flag, c.socket)
	case strings.HasPrefix(address, "ws"):
		return fmt.Errorf("%s is for TCP and TLS, not for WebSocket: %s", flag, withoutPassword(address))
	}
	return nil
}

func (c *client) dialWeb(u *url.URL) (net.Conn, error) {
	conf, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	if u.Path == "" {
		u.Path = "/mqtt"
	}
	return paho.NewWebsocket(u.String(), conf, connectTimeout, http.Header{"User-Agent": {"sensorgate"}}, nil)
}
