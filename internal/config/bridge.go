package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// bridgeTable is [bridge.NAME].
type bridgeTable struct {
	URLs      []string      `toml:"urls" required:"true" example:"[\"mqtts://mqtt.example.com:8883\"]" doc:"where the upstream is, tried in order: mqtt:// mqtts:// ws:// wss://"`
	ClientID  string        `toml:"client_id" doc:"default: sensorgate-{node}-NAME"`
	User      string        `toml:"user" doc:"name at the upstream"`
	Password  Secret        `toml:"password" doc:"where the password is: { file = } { env = } { credential = }"`
	TLS       tlsTable      `toml:"tls" doc:"certificates, if the system's do not do"`
	Protocol  string        `toml:"protocol" doc:"3.1.1 or 5"`
	Prefix    string        `toml:"prefix" doc:"in front of every remote topic of this bridge"`
	KeepAlive time.Duration `toml:"keep_alive" doc:"after one and a half of this the upstream knows that we are gone"`
	Spool     spoolTable    `toml:"spool" doc:"what waits while the upstream is away"`
	Status    *statusTable  `toml:"status" doc:"retained topic at the upstream: online, or offline by last will"`
	Rules     []ruleTable   `toml:"rules" required:"true" example:"[ { dir = \"out\", local = \"{node}/#\" } ]" doc:"which topics go where"`
}

type tlsTable struct {
	CA         string   `toml:"ca" doc:"file with the certificates that are trusted"`
	Cert       string   `toml:"cert" doc:"file with our certificate"`
	Key        string   `toml:"key" doc:"file with its key"`
	ALPN       []string `toml:"alpn" doc:"AWS on port 443: x-amzn-mqtt-ca"`
	ServerName string   `toml:"server_name" doc:"name in the upstream's certificate, if it is not that of the url"`
}

type spoolTable struct {
	Size    size          `toml:"size" doc:"on disk"`
	Memory  *size         `toml:"memory" doc:"in memory only, lost at a restart; instead of size"`
	Keep    time.Duration `toml:"keep" doc:"older messages are dropped, counted"`
	Full    policyText    `toml:"full" doc:"drop-oldest, drop-newest or refuse"`
	Backlog Rate          `toml:"backlog" doc:"how fast what waited is sent beside what is live; default: as fast as it goes"`
	Order   orderText     `toml:"order" doc:"live-first, or oldest-first: what is live waits behind what waited"`
	Late    lateTable     `toml:"late" doc:"how what waited is marked on MQTT 3.1.1; on 5 it has a user property"`
}

type lateTable struct {
	Topic   string `toml:"topic" doc:"in front of the topic: \"late/\""`
	Payload bool   `toml:"payload" doc:"\"late\":true becomes part of a JSON payload"`
}

// orderText says which lane of a spool goes first.
type orderText string

func (o *orderText) UnmarshalText(text []byte) error {
	if s := string(text); s != "live-first" && s != "oldest-first" {
		return fmt.Errorf("found %q, expected live-first or oldest-first", text)
	}
	*o = orderText(text)
	return nil
}

type statusTable struct {
	Topic   optionalTopic `toml:"topic" doc:"with the prefix in front; \"\": none, and no gap records either"`
	Online  string        `toml:"online" doc:"payload when connected"`
	Offline string        `toml:"offline" doc:"payload of the last will"`
}

// ruleTable is one of bridge.NAME.rules.
type ruleTable struct {
	Dir      dirText       `toml:"dir" required:"true" example:"\"out\"" doc:"out (to the upstream), in (from it) or both"`
	Local    string        `toml:"local" required:"true" example:"\"{node}/#\"" doc:"topic or filter on this side"`
	Remote   string        `toml:"remote" doc:"topic or filter on that side, default: the same; the prefix comes in front"`
	QoS      *qosNumber    `toml:"qos" doc:"default 1"`
	Retain   *bool         `toml:"retain" doc:"keep the retain flag, default true"`
	Every    time.Duration `toml:"every" doc:"at most one message per topic and interval"`
	Deadband float64       `toml:"deadband" doc:"smaller changes of a number are not sent"`
	Expire   time.Duration `toml:"expire" doc:"in rules: older orders are not obeyed; default 60s for …/set"`
	Queue    bool          `toml:"queue" doc:"in rules: the upstream keeps what arrives while we are away"`

	n  *node
	ok bool
}

func (t *ruleTable) decodeNode(r *reporter, n *node) bool {
	type plain ruleTable
	t.ok = r.table(n, (*plain)(t))
	t.n = n
	return t.ok
}

type dirText string

func (d *dirText) UnmarshalText(text []byte) error {
	if !slices.Contains([]string{"out", "in", "both"}, string(text)) {
		return fmt.Errorf("found %q, expected out, in or both", text)
	}
	*d = dirText(text)
	return nil
}

type policyText journal.Policy

var policies = map[string]journal.Policy{"drop-oldest": journal.DropOldest, "drop-newest": journal.DropNewest, "refuse": journal.Refuse}

func (p policyText) policy() journal.Policy { return journal.Policy(p) }

func (p *policyText) UnmarshalText(text []byte) error {
	policy, ok := policies[strings.ReplaceAll(string(text), "_", "-")]
	if !ok {
		return fmt.Errorf("found %q, expected drop-oldest, drop-newest or refuse", text)
	}
	*p = policyText(policy)
	return nil
}

func (l *loader) bridges(n *node) {
	l.each(n, func(n *node) {
		if err := validName(n.name); err != nil {
			l.atKey(n, err.Error())
		}
		l.bridge(n)
	})
	l.loops()
}

func defaultBridge(name string) bridgeTable {
	return bridgeTable{
		ClientID: "sensorgate-{node}-" + name, Protocol: "3.1.1", KeepAlive: 30 * time.Second,
		Spool: spoolTable{Size: 256 << 20, Keep: 14 * 24 * time.Hour, Full: policyText(journal.DropOldest)},
	}
}

func (l *loader) bridge(n *node) {
	t := defaultBridge(n.name)
	ok := l.table(n, &t)
	b := &Bridge{
		Name: n.name, URLs: t.URLs, User: t.User, Password: t.Password, TLS: TLS(t.TLS), Protocol: t.Protocol, KeepAlive: t.KeepAlive, text: textOf(n),
	}
	l.upstreamURLs(n, &t)
	b.ClientID = l.withNode(n, "client_id", t.ClientID)
	b.Prefix = l.withNode(n, "prefix", t.Prefix)
	b.Spool = l.spool(n, &t.Spool)
	b.Status = l.bridgeStatus(n, b, t.Status)
	if f := n.field("protocol"); f.text() != "" && t.Protocol != "3.1.1" && t.Protocol != "5" {
		l.wrong(f, `"3.1.1" or "5"`, "")
	}
	if f := n.field("keep_alive"); f.text() != "" && (t.KeepAlive < time.Second || t.KeepAlive > 18*time.Hour) {
		l.wrong(f, "1s to 18h", `"30s"`) // two bytes of seconds in CONNECT (MQTT 3.1.1, 3.1.2.10)
	}
	if ok && len(t.Rules) == 0 {
		l.wrong(n.field("rules"), "at least one rule", `[ { dir = "out", local = "{node}/#" } ]`)
	}
	for i := range t.Rules {
		if rule, ok := l.rule(b, &t.Rules[i]); ok {
			b.Rules = append(b.Rules, rule)
			l.rules = append(l.rules, newRuleAt(rule, b, t.Rules[i].n))
		}
	}
	l.cfg.Bridges = append(l.cfg.Bridges, *b)
}

// withNode fills in {node}, the only variable of a bridge's own topics.
func (l *loader) withNode(n *node, key, text string) string {
	if f := n.field(key); f != nil {
		l.variables(f, text, []string{"node"})
	}
	return l.fillNode(text)
}

func (l *loader) fillNode(text string) string {
	return strings.ReplaceAll(text, "{node}", l.cfg.Node)
}

var upstreamSchemes = []string{"mqtt", "mqtts", "ws", "wss"}

var urlMistakes = map[string]string{"tcp": "mqtt", "tls": "mqtts", "ssl": "mqtts", "http": "ws", "https": "wss"}

func (l *loader) upstreamURLs(n *node, t *bridgeTable) {
	list := n.field("urls")
	if list != nil && list.kind == kindArray && len(t.URLs) == 0 {
		l.wrong(list, "at least one url", `["mqtts://mqtt.example.com:8883"]`)
	}
	for i, text := range t.URLs {
		at := list.items[i]
		if at.kind != kindString {
			continue
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			l.atValue(at, "found "+at.found()+", expected a url", try(`"mqtts://`+strings.TrimPrefix(text, "//")+`"`))
		case u.User != nil:
			p := l.atValue(at, "a url with a user and a password in it", try("user = and password = { file = … } instead"))
			p.bare() // the line would show the password
		case urlMistakes[u.Scheme] != "":
			l.atValue(at, "found "+u.Scheme+"://", try(`"`+urlMistakes[u.Scheme]+strings.TrimPrefix(text, u.Scheme)+`"`))
		case !slices.Contains(upstreamSchemes, u.Scheme):
			l.atValue(at, "found "+u.Scheme+"://, expected one of "+strings.Join(upstreamSchemes, "://, ")+"://")
		}
	}
}

func (l *loader) spool(n *node, t *spoolTable) Spool {
	s := Spool{Size: int64(t.Size), Keep: t.Keep, Full: journal.Policy(t.Full), Backlog: t.Backlog, OldestFirst: t.Order == "oldest-first", LateTopic: t.Late.Topic, LatePayload: t.Late.Payload}
	f := n.field("spool")
	if t.Memory != nil {
		s.Memory, s.Size = true, int64(*t.Memory)
		if f.field("size") != nil {
			l.atKey(f.field("memory"), "a spool is either on disk (size) or in memory", try("size or memory, not both"))
		}
	}
	if !s.Memory && l.cfg.Data == "" {
		at := n
		if f != nil {
			at = f
		}
		l.atKey(at, "what waits for this upstream is lost at a restart: data is empty", try(`data = "`+defaultData+`"`), Note{"or", `spool = { memory = "4MiB" }`}).warn()
	}
	if s.Size < 64<<10 {
		l.atKey(f, "a spool of less than 64KiB holds next to nothing", try(`size = "256MiB"`))
	}
	return s
}

func (l *loader) bridgeStatus(n *node, b *Bridge, t *statusTable) BridgeStatus {
	if t == nil {
		t = &statusTable{Topic: "{node}/status"}
	}
	if t.Online == "" {
		t.Online = "online"
	}
	if t.Offline == "" {
		t.Offline = "offline"
	}
	if t.Topic == "" {
		return BridgeStatus{}
	}
	if f := n.field("status").field("topic"); f != nil {
		l.variables(f, string(t.Topic), []string{"node"})
	}
	return BridgeStatus{Topic: l.fillNode(string(t.Topic)), Online: t.Online, Offline: t.Offline}
}

// defaultOrderExpiry is for in rules that bring commands: a relay must not obey
// yesterday's order.
const defaultOrderExpiry = 60 * time.Second

func (l *loader) rule(b *Bridge, t *ruleTable) (Rule, bool) {
	if !t.ok {
		return Rule{}, false
	}
	r := Rule{
		Out: t.Dir != "in", In: t.Dir != "out", QoS: 1, Retain: true,
		Every: t.Every, Deadband: t.Deadband, Expire: t.Expire, Queue: t.Queue,
	}
	if t.QoS != nil {
		r.QoS = byte(*t.QoS)
	}
	if t.Retain != nil {
		r.Retain = *t.Retain
	}
	if t.Remote == "" {
		t.Remote = t.Local
	}
	r.Local, r.Remote = l.fillNode(t.Local), b.Prefix+l.fillNode(t.Remote)
	if !l.ruleTopics(t, &r) {
		return r, false
	}
	l.ruleOptions(t, &r)
	return r, true
}

// ruleTopics checks that each side follows from the other, in the direction wanted.
func (l *loader) ruleTopics(t *ruleTable, r *Rule) bool {
	local, remote := t.n.field("local"), t.n.field("remote")
	for _, side := range []*node{local, remote} {
		if side == nil {
			continue
		}
		for _, v := range mapping.ParseTemplate(side.text()).Variables() {
			if v != "node" && v != "rest" && strings.Trim(v, "0123456789") != "" {
				l.atValue(side, fmt.Sprintf("unknown variable {%s}", v), expected("{node}, {1} {2} … for each +, {rest} for #"))
				return false
			}
		}
	}
	at := remote
	if at == nil {
		at = local
	}
	if r.Out {
		if _, err := mqtt.NewRenamer(r.Local, r.Remote); err != nil {
			l.atValue(at, err.Error())
			return false
		}
	}
	if r.In {
		if _, err := mqtt.NewReverseRenamer(r.Local, r.Remote); err != nil {
			l.atValue(at, err.Error())
			return false
		}
	}
	return true
}

// ruleOptions checks the keys that make sense in one direction only.
func (l *loader) ruleOptions(t *ruleTable, r *Rule) {
	if r.In && r.Expire == 0 && t.n.field("expire") == nil && strings.HasSuffix(r.Local, "/set") {
		r.Expire = defaultOrderExpiry
	}
	for _, key := range []string{"expire", "queue"} {
		if f := t.n.field(key); f != nil && !r.In {
			l.atKey(f, key+` is for what comes in; this rule has dir = "out"`, try("without "+key))
		}
	}
	for _, key := range []string{"every", "deadband"} {
		if f := t.n.field(key); f != nil && !r.Out {
			l.atKey(f, key+` is for what goes out; this rule has dir = "in"`, try("without "+key))
		}
	}
	if t.Deadband < 0 {
		l.wrong(t.n.field("deadband"), "0 or more", formatNumber(-t.Deadband))
	}
}
