package config

import (
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"sensorgate/internal/mapping"
)

// topTable is the file as a whole.
type topTable struct {
	Version *int         `toml:"version" doc:"the meaning of this file's keys; docs/migration.md"`
	Node    *string      `toml:"node" doc:"name of this gateway, {node} in topics; default: the host name"`
	Topic   topicText    `toml:"topic" doc:"topic of every channel; {node} {device} {channel} {bus} {unit} {model} {class}"`
	Payload *payloadText `toml:"payload" doc:"of every channel: json, plain, or a text with {value} {unit} {time} …"`
	Data    *string      `toml:"data" doc:"directory of the journal; \"\" keeps everything in memory"`
	Broker  subtree      `toml:"broker" doc:"the MQTT broker inside this process"`
	Journal subtree      `toml:"journal" doc:"what survives a power cut"`
	Serial  subtree      `toml:"serial" doc:"[serial.NAME]: a serial wire with several devices on it"`
	Device  subtree      `toml:"device" doc:"[device.NAME]: one thing on a bus or a pin"`
	Bridge  subtree      `toml:"bridge" doc:"[bridge.NAME]: an upstream broker"`
}

const (
	defaultTopic = "{node}/{device}/{channel}"
	defaultData  = "/var/lib/sensorgate"
)

func (l *loader) top() *topTable {
	t := &topTable{Topic: defaultTopic}
	l.table(l.root, t)
	c := l.cfg
	c.Topic = string(t.Topic)
	l.node(t.Node)
	switch state := os.Getenv("STATE_DIRECTORY"); {
	case t.Data != nil:
		c.Data = *t.Data
	case state != "":
		c.Data, _, _ = strings.Cut(state, ":") // systemd.exec(5): several are joined by colons
	default:
		c.Data = defaultData
	}
	if f := l.root.field("topic"); f != nil {
		l.topicVariables(f, c.Topic)
	}
	if t.Payload != nil {
		c.payload = mapping.Payload(*t.Payload)
	}
	return t
}

func (l *loader) node(name *string) {
	if name == nil {
		host, err := os.Hostname()
		host, _, _ = strings.Cut(host, ".")
		if err != nil || validName(host) != nil {
			host = "sensorgate"
		}
		l.cfg.Node = host
		return
	}
	l.cfg.Node = *name
	n := l.root.field("node")
	if err := validName(strings.ReplaceAll(*name, "/", "")); err != nil && n.kind == kindString {
		l.atValue(n, err.Error())
	}
}

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
	MaxPacketSize size          `toml:"max_packet_size" doc:"largest packet that is taken"`
	MaxQueued     size          `toml:"max_queued" doc:"what may wait for one persistent session; default: the size of the journal"`
}

// listenEntry is one of broker.listen, with its place.
type listenEntry struct {
	url string
	n   *node
}

func (e *listenEntry) decodeNode(r *reporter, n *node) bool {
	if n.kind != kindString {
		return r.wrong(n, "a text", `"tcp://127.0.0.1:1883"`)
	}
	e.url, e.n = n.text(), n
	return true
}

func defaultBroker() brokerTable { return brokerTable{MaxClients: 10000, MaxPacketSize: 2 << 20} }

const defaultListen = "tcp://127.0.0.1:1883"

func (l *loader) broker(n *node) {
	t := defaultBroker()
	if n != nil {
		l.table(n, &t)
	}
	b := &l.cfg.Broker
	*b = Broker{Passwords: t.Passwords, ACL: t.ACL, MaxClients: t.MaxClients, MaxPacketSize: int(t.MaxPacketSize), MaxQueued: int64(t.MaxQueued)}
	if n.field("listen") == nil {
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
	if f := n.field("max_clients"); t.MaxClients < 1 {
		l.wrong(f, "1 or more", "")
	}
	if f := n.field("max_packet_size"); f.text() != "" && (t.MaxPacketSize < 1024 || t.MaxPacketSize > 256<<20) {
		l.wrong(f, "1KiB to 256MiB", "")
	}
}

var networks = []string{"tcp", "tls", "ws", "wss", "unix"}

var listenMistakes = map[string]string{"mqtt": "tcp", "mqtts": "tls", "ssl": "tls", "http": "ws", "https": "wss"}

func (l *loader) listener(e listenEntry, t *brokerTable) (ln Listener, ok bool) {
	fail := func(text, fix string) (Listener, bool) {
		l.atValue(e.n, text, try(fix))
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
		l.atValue(e.n, "only ws:// and wss:// have a path", try(`"`+ln.Network+"://"+ln.Address+`"`))
		return ln, false
	}
	if ln.Network == "tls" || ln.Network == "wss" {
		ln.Cert, ln.Key, ln.ClientCA = t.Cert, t.Key, t.ClientCA
		if t.Cert == "" || t.Key == "" {
			l.atValue(e.n, ln.Network+":// needs broker.cert and broker.key", try(`cert = "/etc/sensorgate/server.crt"`), try(`key = "/etc/sensorgate/server.key"`))
			return ln, false
		}
	}
	if e.n != nil && t.Passwords == "" && ln.ClientCA == "" && !isLoopback(host) {
		l.atValue(e.n, "everybody on the network could connect: a listener that is not loopback needs broker.passwords",
			try(`passwords = "/etc/sensorgate/passwd"`), Note{"", "(make it: sensorgate passwd add /etc/sensorgate/passwd NAME)"})
		return ln, false
	}
	return ln, true
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// journalTable is [journal].
type journalTable struct {
	Commit   time.Duration `toml:"commit" doc:"how much of our own readings a power cut may cost"`
	Size     size          `toml:"size" doc:"what the journal may take on the disk"`
	KeepFree size          `toml:"keep_free" doc:"what the journal leaves free on the disk for others"`
}

func defaultJournal() journalTable {
	return journalTable{Commit: time.Second, Size: 512 << 20, KeepFree: 64 << 20}
}

func (l *loader) journal(n *node) {
	t := defaultJournal()
	if n != nil {
		l.table(n, &t)
	}
	l.cfg.Journal = Journal{Commit: t.Commit, Size: int64(t.Size), FreeFloor: int64(t.KeepFree)}
	if f := n.field("commit"); f.text() != "" && (t.Commit <= 0 || t.Commit > time.Hour) {
		l.wrong(f, "10ms to 1h", `"1s"`)
	}
	if f := n.field("size"); f.text() != "" && t.Size < 4<<20 {
		l.wrong(f, "4MiB or more", `"512MiB"`)
	}
}
