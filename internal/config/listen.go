package config

import (
	"net"
	"net/url"
	"strings"

	"sensorgate/broker"
	"sensorgate/internal/toml"
)

// listenEntry is one of broker.listen: a text, or a table with what is different on this
// listener. What it does not say is as in [broker].
type listenEntry struct {
	URL string `toml:"url" required:"true" example:"\"tls://:8883\"" doc:"Where clients connect: tcp:// tls:// ws:// wss:// unix://."`
	broker.Listener

	n  *toml.Node // the entry, nil for the default
	at *toml.Node // its url
}

func (e *listenEntry) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	e.n, e.at = n, n
	switch n.Kind {
	case toml.KindString:
		e.URL = n.Text()
		return true
	case toml.KindTable:
		type plain listenEntry
		if !r.Table(n, (*plain)(e)) {
			e.URL = ""
			return false
		}
		e.at = n.Field("url")
		return true
	}
	return r.Wrong(n, "a text or a table", `"tcp://127.0.0.1:1883"`)
}

var networks = []string{"tcp", "tls", "ws", "wss", "unix"}

var listenMistakes = map[string]string{"mqtt": "tcp", "mqtts": "tls", "ssl": "tls", "http": "ws", "https": "wss"}

func (l *loader) listener(e listenEntry, t *brokerTable) (ln broker.Listener, ok bool) {
	fail := func(text, fix string) (broker.Listener, bool) {
		l.AtValue(e.at, text, toml.Try(fix))
		return ln, false
	}
	network, rest, ok := strings.Cut(e.URL, "://")
	switch {
	case !ok && strings.HasPrefix(e.URL, "/"):
		return fail("a path without its kind", `"unix://`+e.URL+`"`)
	case !ok:
		return fail("a listener is written as kind://address", `"tcp://`+e.URL+`"`)
	case listenMistakes[network] != "":
		return fail(network+":// is what a client says", `"`+listenMistakes[network]+"://"+rest+`"`)
	}
	ln = e.Listener
	ln.Network, ln.Address = network, rest
	if !l.limits(e.n, &ln.Limits) || !l.ownFiles(e, network) {
		return ln, false
	}
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
	if u, err := url.Parse(e.URL); err == nil && u.Path != "" {
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
		if len(ln.Origins) == 0 {
			ln.Origins = t.Origins
		}
		if ln.Path == "" {
			ln.Path = "/mqtt"
		}
	} else if ln.Path != "" {
		l.AtValue(e.at, "only ws:// and wss:// have a path", toml.Try(`"`+ln.Network+"://"+ln.Address+`"`))
		return ln, false
	}
	if ln.Network == "tls" || ln.Network == "wss" {
		if ln.Cert == "" && ln.Key == "" {
			ln.Cert, ln.Key = t.Cert, t.Key
		}
		if ln.ClientCA == "" {
			ln.ClientCA = t.ClientCA
		}
		if ln.Cert == "" || ln.Key == "" {
			l.AtValue(e.at, ln.Network+":// needs broker.cert and broker.key", toml.Try(`cert = "/etc/sensorgate/server.crt"`), toml.Try(`key = "/etc/sensorgate/server.key"`))
			return ln, false
		}
	}
	anonymous := ln.Anonymous
	if anonymous == nil {
		anonymous = t.Anonymous
	}
	switch proof := t.Passwords != "" || ln.ClientCA != ""; {
	case anonymous != nil && !*anonymous && !proof:
		l.AtValue(e.at, "nobody could connect: anonymous = false, and there are no passwords", toml.Try(`passwords = "/etc/sensorgate/passwd"`),
			toml.More("(make it: sensorgate passwd add /etc/sensorgate/passwd NAME)"))
		return ln, false
	case anonymous == nil && e.n != nil && !proof && !isLoopback(host):
		l.AtValue(e.at, "everybody on the network could connect: a listener that is not loopback needs broker.passwords",
			toml.Try(`passwords = "/etc/sensorgate/passwd"`), toml.More("(make it: sensorgate passwd add /etc/sensorgate/passwd NAME)"))
		return ln, false
	}
	return ln, true
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ownFiles reports keys of a listener that its kind does not use.
func (l *loader) ownFiles(e listenEntry, network string) bool {
	secure, web := network == "tls" || network == "wss", network == "ws" || network == "wss"
	for key, used := range map[string]bool{"cert": secure, "key": secure, "client_ca": secure, "origins": web} {
		if f := e.n.Field(key); f != nil && !used {
			l.AtKey(f, network+":// does not use "+key)
			return false
		}
	}
	return true
}
