package config

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"sensorgate/internal/toml"
)

// Web is [web], checked.
type Web struct {
	Base     string   `toml:"base" example:"\"/gw\"" doc:"The path below which a proxy shows the page: /gw."`
	Hosts    []string `toml:"hosts" example:"[\"gateway.example.com\"]" doc:"The names under which browsers know this gateway, beside its addresses, localhost, NAME.local and the node."`
	Operate  []string `toml:"operate" example:"[\"ann\", \"bob\"]" doc:"The users who may send commands to devices and read the log."`
	Admin    []string `toml:"admin" example:"[\"ann\"]" doc:"The users who may also read and change the configuration."`
	Tokens   string   `toml:"tokens" example:"\"/etc/sensorgate/tokens\"" doc:"The file with the tokens of scripts; sensorgate passwd token makes it."`
	Frames   []string `toml:"frames" example:"[\"https://home.example\"]" doc:"The web sites that may show the page in a frame: https://home.example."`
	Readings bool     `toml:"readings" doc:"Whether /metrics has the newest value of every channel."`

	MaxConnections int `toml:"max_connections" example:"64" doc:"How many connections may be open at one time."`
	MaxStreams     int `toml:"max_streams" example:"8" doc:"How many of them may be streams of events; a page needs one."`

	Listeners []WebListener
	Proxies   []netip.Prefix // trusted_proxies
}

// WebListener is one entry of web.listen.
type WebListener struct {
	Address   string // host:port
	TLS       bool
	Cert, Key string // files
}

// webTable is [web] as it is written.
type webTable struct {
	Listen  []webEntry `toml:"listen" example:"[\"http://127.0.0.1:8880\"]" doc:"Where the page and the API are served: http:// https://; without it they are off."`
	Cert    string     `toml:"cert" example:"\"/etc/sensorgate/server.crt\"" doc:"The certificate file of https://; default: that of [broker]."`
	Key     string     `toml:"key" example:"\"/etc/sensorgate/server.key\"" doc:"The key file of https://; default: that of [broker]."`
	Proxies []string   `toml:"trusted_proxies" example:"[\"192.0.2.7\", \"10.0.0.0/8\"]" doc:"The addresses of proxies whose X-Forwarded headers are believed: 192.0.2.7 or 10.0.0.0/8."`
	Web
}

// webEntry is one text of web.listen, with its place.
type webEntry struct {
	url string
	n   *toml.Node
}

func (e *webEntry) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	if n.Kind != toml.KindString {
		return r.Wrong(n, "a text", `"http://127.0.0.1:8880"`)
	}
	e.url, e.n = n.Text(), n
	return true
}

func defaultWeb() webTable { return webTable{Web: Web{MaxConnections: 64, MaxStreams: 32}} }

// web reads [web]; b is [broker], whose certificate is the default.
func (l *loader) web(n *toml.Node, b *brokerTable) {
	t := defaultWeb()
	if n != nil {
		l.Table(n, &t)
	}
	w := &l.cfg.Web
	*w = t.Web
	if t.Cert == "" && t.Key == "" {
		t.Cert, t.Key = b.Cert, b.Key
	}
	for _, e := range t.Listen {
		if e.url == "" && e.n == nil {
			continue // not a text, and reported as such
		}
		if ln, ok := l.webListener(e, &t); ok {
			w.Listeners = append(w.Listeners, ln)
		}
	}
	l.proxies(n.Field("trusted_proxies"), t.Proxies)
	if f := n.Field("base"); w.Base != "" && (!strings.HasPrefix(w.Base, "/") || strings.HasSuffix(w.Base, "/") || strings.ContainsAny(w.Base, "?#; \"")) {
		l.Wrong(f, "a path that begins with / and does not end with it", `"/gw"`)
	}
	if f := n.Field("max_connections"); w.MaxConnections < 4 {
		l.Wrong(f, "4 or more", "64")
	}
	if f := n.Field("max_streams"); w.MaxStreams < 1 || w.MaxStreams >= w.MaxConnections {
		if f == nil {
			f = n.Field("max_connections")
		}
		l.Wrong(f, "1 or more streams, and fewer than max_connections", "")
	}
	l.sameAddress()
}

var webPorts = map[string]string{"http": "8880", "https": "8443"}

func (l *loader) webListener(e webEntry, t *webTable) (ln WebListener, ok bool) {
	fail := func(text, fix string) (WebListener, bool) {
		l.AtValue(e.n, text, toml.Try(fix))
		return ln, false
	}
	kind, rest, ok := strings.Cut(e.url, "://")
	if port := webPorts[kind]; !ok || port == "" {
		return fail("a listener of the page is written as http://address:port or https://address:port", `"http://127.0.0.1:8880"`)
	}
	rest = strings.TrimSuffix(rest, "/")
	host, port, err := net.SplitHostPort(rest)
	if err != nil || port == "" {
		return fail("the port is missing", `"`+kind+"://"+rest+":"+webPorts[kind]+`"`)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fail("found the port "+port+", expected 1 to 65535", "")
	}
	ln = WebListener{Address: rest, TLS: kind == "https"}
	if ln.TLS {
		if ln.Cert, ln.Key = t.Cert, t.Key; t.Cert == "" || t.Key == "" {
			return fail("https:// needs web.cert and web.key, or those of [broker]", `cert = "/etc/sensorgate/server.crt"`)
		}
	}
	if isLoopback(host) {
		return ln, true
	}
	if l.cfg.Broker.Passwords == "" {
		l.AtValue(e.n, "everybody on the network could look: a page beyond loopback needs broker.passwords",
			toml.Try(`passwords = "/etc/sensorgate/passwd"`), toml.More("(make it: sensorgate passwd add /etc/sensorgate/passwd NAME)"))
		return ln, false
	}
	if !ln.TLS {
		l.AtValue(e.n, "passwords for this page cross the network in plain text", toml.Try(`"https://`+rest+`"`)).Warning = true
	}
	return ln, true
}

// proxies reads addresses and prefixes.
func (l *loader) proxies(n *toml.Node, texts []string) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil {
			l.Wrong(n, "addresses or prefixes", `["127.0.0.1", "10.0.0.0/8"]`)
			return
		}
		l.cfg.Web.Proxies = append(l.cfg.Web.Proxies, p.Masked())
	}
}

// sameAddress reports a port that both the broker and the page want.
func (l *loader) sameAddress() {
	for _, b := range l.cfg.Broker.Listeners {
		if i := slices.IndexFunc(l.cfg.Web.Listeners, func(w WebListener) bool { return b.Network != "unix" && meet(w.Address, b.Address) }); i >= 0 {
			l.AtKey(l.root.Field("web").Field("listen"), "the address "+l.cfg.Web.Listeners[i].Address+" is also in broker.listen", toml.Try(`"http://127.0.0.1:8880"`))
		}
	}
	for i, w := range l.cfg.Web.Listeners {
		if slices.ContainsFunc(l.cfg.Web.Listeners[:i], func(o WebListener) bool { return meet(o.Address, w.Address) }) {
			l.AtKey(l.root.Field("web").Field("listen"), "the address "+w.Address+" is there twice")
		}
	}
}

// meet reports whether two addresses cannot both be listened on.
func meet(a, b string) bool {
	ha, pa, _ := net.SplitHostPort(a)
	hb, pb, _ := net.SplitHostPort(b)
	every := func(h string) bool { return h == "" || h == "0.0.0.0" || h == "::" || h == "[::]" }
	return pa == pb && pa != "0" && (ha == hb || every(ha) || every(hb) || isLoopback(ha) && isLoopback(hb))
}
