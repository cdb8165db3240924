package config

import (
	"net"
	"net/url"
	"strings"

	"sensorgate/internal/toml"
)

// brokerTable is [broker].
type brokerTable struct {
	Listen        []listenEntry `toml:"listen" doc:"where clients connect: tcp:// tls:// ws:// wss:// unix://"`
	Passwords     string        `toml:"passwords" doc:"file with users, see: sensorgate passwd"`
	ACL           string        `toml:"acl" doc:"file with who may publish and subscribe what"`
	Cert          string        `toml:"cert" doc:"certificate file of tls:// and wss://"`
	Key           string        `toml:"key" doc:"key file of tls:// and wss://"`
	ClientCA      string        `toml:"client_ca" doc:"client certificates are required and must be signed by one in this file"`
	Origins       []string      `toml:"origins" doc:"web pages that may connect with ws:// and wss://; default: only those of the same host"`
	MaxClients    int           `toml:"max_clients" doc:"connections at one time"`
	MaxPacketSize toml.Size     `toml:"max_packet_size" doc:"largest packet that is taken"`
	MaxQueued     toml.Size     `toml:"max_queued" doc:"what may wait for one persistent session; default: the size of the journal"`
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

func defaultBroker() brokerTable { return brokerTable{MaxClients: 10000, MaxPacketSize: 2 << 20} }

const defaultListen = "tcp://127.0.0.1:1883"

func (l *loader) broker(n *toml.Node) {
	t := defaultBroker()
	if n != nil {
		l.Table(n, &t)
	}
	b := &l.cfg.Broker
	*b = Broker{Passwords: t.Passwords, ACL: t.ACL, MaxClients: t.MaxClients, MaxPacketSize: int(t.MaxPacketSize), MaxQueued: int64(t.MaxQueued)}
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
	if f := n.Field("max_packet_size"); f.Text() != "" && (t.MaxPacketSize < 1024 || t.MaxPacketSize > 256<<20) {
		l.Wrong(f, "1KiB to 256MiB", "")
	}
}

var networks = []string{"tcp", "tls", "ws", "wss", "unix"}

var listenMistakes = map[string]string{"mqtt": "tcp", "mqtts": "tls", "ssl": "tls", "http": "ws", "https": "wss"}

func (l *loader) listener(e listenEntry, t *brokerTable) (ln Listener, ok bool) {
	fail := func(text, fix string) (Listener, bool) {
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
	ln = Listener{Network: network, Address: rest}
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
func (l *loader) secured(ln Listener, e listenEntry, t *brokerTable, host string) (Listener, bool) {
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
