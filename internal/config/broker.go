package config

import (
	"net"
	"net/url"
	"strings"
	"time"

	"sensorgate/broker"
	"sensorgate/internal/toml"
)

// brokerTable is [broker]: the broker's own options, and where clients connect.
type brokerTable struct {
	Listen   []listenEntry `toml:"listen" doc:"Where clients connect: tcp:// tls:// ws:// wss:// unix://."`
	Cert     string        `toml:"cert" doc:"The certificate file of tls:// and wss://."`
	Key      string        `toml:"key" doc:"The key file of tls:// and wss://."`
	ClientCA string        `toml:"client_ca" doc:"If it is given, a client needs a certificate that one in this file has signed."`
	Origins  []string      `toml:"origins" doc:"The web pages that may connect with ws:// and wss://; default: only those of the same host."`
	broker.Options
}

// listenEntry is one of broker.listen, with its place.
type listenEntry struct {
	url string
	n   *toml.Node
}

func (e *listenEntry) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	if n.Kind != toml.KindString {
		return r.Wrong(n, "a text", `"tcp://127.0.0.1:1883"`)
	}
	e.url, e.n = n.Text(), n
	return true
}

func defaultBroker() brokerTable {
	return brokerTable{Options: broker.Options{
		MaxClients: 10000, MaxPacketSize: 2 << 20, Memory: broker.DefaultMemory, MaxSessions: 20_000, SessionExpiry: 28 * 24 * time.Hour,
	}}
}

const defaultListen = "tcp://127.0.0.1:1883"

func (l *loader) broker(n *toml.Node) {
	t := defaultBroker()
	if n != nil {
		l.Table(n, &t)
	}
	b := &l.cfg.Broker
	*b = t.Options
	if n.Field("listen") == nil {
		t.Listen = []listenEntry{{url: defaultListen}}
	}
	for _, e := range t.Listen {
		if e.url == "" && e.n == nil {
			continue // not a text, and reported as such
		}
		if ln, ok := l.listener(e, &t); ok {
			b.Listeners = append(b.Listeners, ln)
		}
	}
	if f := n.Field("max_clients"); t.MaxClients < 1 {
		l.Wrong(f, "1 or more", "")
	}
	if f := n.Field("memory"); f.Text() != "" && (t.Memory < 4<<20 || t.Memory > 64<<30) {
		l.Wrong(f, "4MiB to 64GiB", `"64MiB"`)
	}
	if f := n.Field("max_sessions"); t.MaxSessions < 1 {
		l.Wrong(f, "1 or more", "")
	}
	if f := n.Field("session_expiry"); t.SessionExpiry < time.Minute {
		l.Wrong(f, "1m or more", `"672h"`)
	}
	if f := n.Field("max_packet_size"); f.Text() != "" && (t.MaxPacketSize < 1024 || t.MaxPacketSize > 256<<20) {
		l.Wrong(f, "1KiB to 256MiB", "")
	}
}

var networks = []string{"tcp", "tls", "ws", "wss", "unix"}

var listenMistakes = map[string]string{"mqtt": "tcp", "mqtts": "tls", "ssl": "tls", "http": "ws", "https": "wss"}

func (l *loader) listener(e listenEntry, t *brokerTable) (ln broker.Listener, ok bool) {
	fail := func(text, fix string) (broker.Listener, bool) {
		l.AtValue(e.n, text, toml.Try(fix))
		return ln, false
	}
	network, rest, ok := strings.Cut(e.url, "://")
	switch {
	case !ok && strings.HasPrefix(e.url, "/"):
		return fail("a path without its kind", `"unix://`+e.url+`"`)
	case !ok:
		return fail("a listener is written as kind://address", `"tcp://`+e.url+`"`)
	case listenMistakes[network] != "":
		return fail(network+":// is what a client says", `"`+listenMistakes[network]+"://"+rest+`"`)
	}
	ln = broker.Listener{Network: network, Address: rest}
	switch network {
	case "unix":
		if !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "@") {
			return fail("a unix socket needs a whole path", `"unix:///run/sensorgate/mqtt.sock"`)
		}
		return ln, true
	case "tcp", "tls", "ws", "wss":
	default:
		return fail("found "+network+"://, expected one of "+strings.Join(networks, "://, ")+"://", "")
	}
	if u, err := url.Parse(e.url); err == nil && u.Path != "" {
		ln.Address, ln.Path = u.Host, u.Path
	}
	host, port, err := net.SplitHostPort(ln.Address)
	if err != nil || port == "" {
		return fail("the port is missing", `"`+network+"://"+ln.Address+":"+defaultPorts[network]+`"`)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fail("found the port "+port+", expected 1 to 65535", "")
	}
	return l.secured(ln, e, t, host)
}

var defaultPorts = map[string]string{"tcp": "1883", "tls": "8883", "ws": "8080", "wss": "8443"}

// secured fills in what TLS needs, and refuses what everybody could walk into.
func (l *loader) secured(ln broker.Listener, e listenEntry, t *brokerTable, host string) (broker.Listener, bool) {
	if ln.Network == "ws" || ln.Network == "wss" {
		ln.Origins = t.Origins
		if ln.Path == "" {
			ln.Path = "/mqtt"
		}
	} else if ln.Path != "" {
		l.AtValue(e.n, "only ws:// and wss:// have a path", toml.Try(`"`+ln.Network+"://"+ln.Address+`"`))
		return ln, false
	}
	if ln.Network == "tls" || ln.Network == "wss" {
		ln.Cert, ln.Key, ln.ClientCA = t.Cert, t.Key, t.ClientCA
		if t.Cert == "" || t.Key == "" {
			l.AtValue(e.n, ln.Network+":// needs broker.cert and broker.key", toml.Try(`cert = "/etc/sensorgate/server.crt"`), toml.Try(`key = "/etc/sensorgate/server.key"`))
			return ln, false
		}
	}
	if e.n != nil && t.Passwords == "" && ln.ClientCA == "" && !isLoopback(host) {
		l.AtValue(e.n, "everybody on the network could connect: a listener that is not loopback needs broker.passwords",
			toml.Try(`passwords = "/etc/sensorgate/passwd"`), toml.More("(make it: sensorgate passwd add /etc/sensorgate/passwd NAME)"))
		return ln, false
	}
	return ln, true
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
