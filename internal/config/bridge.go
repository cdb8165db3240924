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
	"sensorgate/internal/toml"
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
	Size    toml.Size     `toml:"size" doc:"on disk"`
	Memory  *toml.Size    `toml:"memory" doc:"in memory only, lost at a restart; instead of size"`
	Keep    time.Duration `toml:"keep" doc:"older messages are dropped, counted"`
	Full    policyText    `toml:"full" doc:"drop-oldest, drop-newest or refuse"`
	Backlog toml.Rate     `toml:"backlog" doc:"how fast what waited is sent beside what is live; default: as fast as it goes"`
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

	n  *toml.Node
	ok bool
}

func (t *ruleTable) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	type plain ruleTable
	t.ok = r.Table(n, (*plain)(t))
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

func (p *policyText) UnmarshalText(text []byte) error {
	policy, ok := policies[strings.ReplaceAll(string(text), "_", "-")]
	if !ok {
		return fmt.Errorf("found %q, expected drop-oldest, drop-newest or refuse", text)
	}
	*p = policyText(policy)
	return nil
}

func (l *loader) bridges(n *toml.Node) {
	l.each(n, func(n *toml.Node) {
		if err := validName(n.Name); err != nil {
			l.AtKey(n, err.Error())
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

func (l *loader) bridge(n *toml.Node) {
	t := defaultBridge(n.Name)
	ok := l.Table(n, &t)
	b := &Bridge{
		Name: n.Name, URLs: t.URLs, User: t.User, Password: t.Password, TLS: TLS(t.TLS), Protocol: t.Protocol, KeepAlive: t.KeepAlive, text: toml.TextOf(n),
	}
	l.upstreamURLs(n, &t)
	b.ClientID = l.withNode(n, "client_id", t.ClientID)
	b.Prefix = l.withNode(n, "prefix", t.Prefix)
	b.Spool = l.spool(n, &t.Spool)
	b.Status = l.bridgeStatus(n, b, t.Status)
	if f := n.Field("protocol"); f.Text() != "" && t.Protocol != "3.1.1" && t.Protocol != "5" {
		l.Wrong(f, `"3.1.1" or "5"`, "")
	}
	if f := n.Field("keep_alive"); f.Text() != "" && (t.KeepAlive < time.Second || t.KeepAlive > 18*time.Hour) {
		l.Wrong(f, "1s to 18h", `"30s"`) // two bytes of seconds in CONNECT (MQTT 3.1.1, 3.1.2.10)
	}
	if ok && len(t.Rules) == 0 {
		l.Wrong(n.Field("rules"), "at least one rule", `[ { dir = "out", local = "{node}/#" } ]`)
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
func (l *loader) withNode(n *toml.Node, key, text string) string {
	if f := n.Field(key); f != nil {
		l.variables(f, text, []string{"node"})
	}
	return l.fillNode(text)
}

func (l *loader) fillNode(text string) string {
	return strings.ReplaceAll(text, "{node}", l.cfg.Node)
}

var upstreamSchemes = []string{"mqtt", "mqtts", "ws", "wss"}

var urlMistakes = map[string]string{"tcp": "mqtt", "tls": "mqtts", "ssl": "mqtts", "http": "ws", "https": "wss"}

func (l *loader) upstreamURLs(n *toml.Node, t *bridgeTable) {
	list := n.Field("urls")
	if list != nil && list.Kind == toml.KindArray && len(t.URLs) == 0 {
		l.Wrong(list, "at least one url", `["mqtts://mqtt.example.com:8883"]`)
	}
	for i, text := range t.URLs {
		at := list.Items[i]
		if at.Kind != toml.KindString {
			continue
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			l.AtValue(at, "found "+at.Found()+", expected a url", toml.Try(`"mqtts://`+strings.TrimPrefix(text, "//")+`"`))
		case u.User != nil:
			p := l.AtValue(at, "a url with a user and a password in it", toml.Try("user = and password = { file = … } instead"))
			p.HideLine() // the line would show the password
		case urlMistakes[u.Scheme] != "":
			l.AtValue(at, "found "+u.Scheme+"://", toml.Try(`"`+urlMistakes[u.Scheme]+strings.TrimPrefix(text, u.Scheme)+`"`))
		case !slices.Contains(upstreamSchemes, u.Scheme):
			l.AtValue(at, "found "+u.Scheme+"://, expected one of "+strings.Join(upstreamSchemes, "://, ")+"://")
		}
	}
}

func (l *loader) spool(n *toml.Node, t *spoolTable) Spool {
	s := Spool{Size: int64(t.Size), Keep: t.Keep, Full: journal.Policy(t.Full), Backlog: t.Backlog, OldestFirst: t.Order == "oldest-first", LateTopic: t.Late.Topic, LatePayload: t.Late.Payload}
	f := n.Field("spool")
	if t.Memory != nil {
		s.Memory, s.Size = true, int64(*t.Memory)
		if f.Field("size") != nil {
			l.AtKey(f.Field("memory"), "a spool is either on disk (size) or in memory", toml.Try("size or memory, not both"))
		}
	}
	if !s.Memory && l.cfg.Data == "" {
		at := n
		if f != nil {
			at = f
		}
		l.AtKey(at, "what waits for this upstream is lost at a restart: data is empty", toml.Try(`data = "`+defaultData+`"`), toml.Or(`spool = { memory = "4MiB" }`)).Warn()
	}
	if s.Size < 64<<10 {
		l.AtKey(f, "a spool of less than 64KiB holds next to nothing", toml.Try(`size = "256MiB"`))
	}
	return s
}

func (l *loader) bridgeStatus(n *toml.Node, b *Bridge, t *statusTable) BridgeStatus {
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
	if f := n.Field("status").Field("topic"); f != nil {
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
	local, remote := t.n.Field("local"), t.n.Field("remote")
	for _, side := range []*toml.Node{local, remote} {
		if side == nil {
			continue
		}
		for _, v := range mapping.ParseTemplate(side.Text()).Variables() {
			if v != "node" && v != "rest" && strings.Trim(v, "0123456789") != "" {
				l.AtValue(side, fmt.Sprintf("unknown variable {%s}", v), toml.Expected("{node}, {1} {2} … for each +, {rest} for #"))
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
			l.AtValue(at, err.Error())
			return false
		}
	}
	if r.In {
		if _, err := mqtt.NewReverseRenamer(r.Local, r.Remote); err != nil {
			l.AtValue(at, err.Error())
			return false
		}
	}
	return true
}

// ruleOptions checks the keys that make sense in one direction only.
func (l *loader) ruleOptions(t *ruleTable, r *Rule) {
	if r.In && r.Expire == 0 && t.n.Field("expire") == nil && strings.HasSuffix(r.Local, "/set") {
		r.Expire = defaultOrderExpiry
	}
	for _, key := range []string{"expire", "queue"} {
		if f := t.n.Field(key); f != nil && !r.In {
			l.AtKey(f, key+` is for what comes in; this rule has dir = "out"`, toml.Try("without "+key))
		}
	}
	for _, key := range []string{"every", "deadband"} {
		if f := t.n.Field(key); f != nil && !r.Out {
			l.AtKey(f, key+` is for what goes out; this rule has dir = "in"`, toml.Try("without "+key))
		}
	}
	if t.Deadband < 0 {
		l.Wrong(t.n.Field("deadband"), "0 or more", formatNumber(-t.Deadband))
	}
}
