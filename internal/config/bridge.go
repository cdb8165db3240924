package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sensorgate/bridge"
	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
)

// bridgeTable is [bridge.NAME]: the bridge's own options, and what stands in tables below.
type bridgeTable struct {
	bridge.Options
	Secret Secret       `toml:"password" example:"{ credential = \"secret_cloud\" }" doc:"Where the password is: { file = } { env = } { credential = }."`
	Spool  spoolTable   `toml:"spool" doc:"What waits while the upstream is away."`
	Status *statusTable `toml:"status" example:"{ topic = \"{node}/status\", online = \"online\", offline = \"offline\" }" doc:"The retained topic at the upstream: online, or offline by last will."`
	Rules  []ruleTable  `toml:"rules" example:"[ { dir = \"out\", local = \"{node}/#\" } ]" doc:"Which topics go where; not needed where [homeassistant] or [homie] names the bridge."`
}

type spoolTable struct {
	journal.Limits
	Memory  *toml.Size      `toml:"memory" doc:"How much may wait, in memory only and lost at a restart; instead of size."`
	Full    policyText      `toml:"full" doc:"What happens when the spool is full: drop-oldest, drop-newest or refuse."`
	Backlog toml.Rate       `toml:"backlog" doc:"How fast what waited is sent beside what is live; default: as fast as possible."`
	Order   orderText       `toml:"order" example:"\"oldest-first\"" doc:"What goes first: live-first, or oldest-first, with which what is live waits behind what waited."`
	Late    bridge.LateMark `toml:"late" example:"{ topic = \"late/\" }" doc:"How what waited is marked on MQTT 3.1.1; on MQTT 5 it has a user property."`
}

// orderText is which stream of a spool goes first.
type orderText string

func (o *orderText) UnmarshalText(text []byte) error {
	if s := string(text); s != "live-first" && s != "oldest-first" {
		return fmt.Errorf("found %q, expected live-first or oldest-first", text)
	}
	*o = orderText(text)
	return nil
}

type statusTable struct {
	Topic   optionalTopic `toml:"topic" example:"\"{node}/status\"" doc:"The topic, with the prefix in front; \"\" is none, and no gap records either."`
	Online  string        `toml:"online" example:"\"online\"" doc:"The payload while we are connected."`
	Offline string        `toml:"offline" example:"\"offline\"" doc:"The payload of the last will."`
}

// ruleTable is one of bridge.NAME.rules: the bridge's own options of a rule, and what
// decides the others.
type ruleTable struct {
	Dir    dirText    `toml:"dir" required:"true" example:"\"out\"" doc:"The direction: out (to the upstream), in (from it) or both."`
	Local  string     `toml:"local" required:"true" example:"\"{node}/#\"" doc:"The topic or filter on this side."`
	Remote string     `toml:"remote" example:"\"barn/#\"" doc:"The topic or filter on that side, with the prefix in front; default: the same as local."`
	QoS    *qosNumber `toml:"qos" doc:"The highest quality of service; default 1."`
	Retain *bool      `toml:"retain" doc:"The retain flag is kept; default true."`
	bridge.Rule

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
		Options: bridge.Options{ClientID: "sensorgate-{node}-" + name, Protocol: bridge.ProtocolAuto, KeepAlive: 30 * time.Second},
		Spool:   spoolTable{Limits: journal.Limits{Bytes: 256 << 20, Age: 14 * 24 * time.Hour}, Full: policyText(journal.DropOldest)},
	}
}

func (l *loader) bridge(n *toml.Node) {
	t := defaultBridge(n.Name)
	ok := l.Table(n, &t)
	b := &Bridge{Options: t.Options, Secret: t.Secret, text: toml.TextOf(n)}
	b.Name, b.Node = n.Name, l.cfg.Node
	l.upstreamURLs(n, &t)
	b.ClientID = l.withNode(n, "client_id", t.ClientID)
	b.Prefix = l.withNode(n, "prefix", t.Prefix)
	b.Spool = l.spool(n, &t.Spool)
	b.Backlog, b.InOrder, b.Late = bridge.Rate(t.Spool.Backlog), t.Spool.Order == "oldest-first", t.Spool.Late
	b.Status = l.bridgeStatus(n, t.Status)
	if f := n.Field("protocol"); f.Text() != "" && t.Protocol != "auto" && t.Protocol != "3.1.1" && t.Protocol != "5" {
		l.Wrong(f, `"auto", "3.1.1" or "5"`, `"auto"`)
	}
	if f := n.Field("keep_alive"); f.Text() != "" && (t.KeepAlive < time.Second || t.KeepAlive > 18*time.Hour) {
		l.Wrong(f, "1s to 18h", `"30s"`) // two bytes of seconds in CONNECT (MQTT 3.1.1, 3.1.2.10)
	}
	conventions := slices.Contains(l.cfg.HomeAssistant.Bridges, b.Name) || slices.Contains(l.cfg.Homie.Bridges, b.Name)
	switch rules := n.Field("rules"); {
	case len(t.Rules) > 0 || conventions:
	case rules == nil:
		l.AtKey(n, "rules is missing", toml.Expected("rules: Which topics go where."), toml.Try(`rules = [ { dir = "out", local = "{node}/#" } ]`))
	case ok:
		l.Wrong(rules, "at least one rule", `[ { dir = "out", local = "{node}/#" } ]`)
	}
	for i := range t.Rules {
		if rule, ok := l.rule(b, &t.Rules[i]); ok {
			b.Rules = append(b.Rules, rule)
			l.rules = append(l.rules, newRuleAt(rule, b, t.Rules[i].n))
		}
	}
	l.made(b, n)
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

func (l *loader) spool(n *toml.Node, t *spoolTable) journal.Limits {
	s := t.Limits
	s.Full = journal.Policy(t.Full)
	f := n.Field("spool")
	if t.Memory != nil {
		s.Memory, s.Bytes = true, int64(*t.Memory)
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
	if s.Bytes < 64<<10 {
		l.AtKey(f, "a spool of less than 64KiB holds next to nothing", toml.Try(`size = "256MiB"`))
	}
	return s
}

func (l *loader) bridgeStatus(n *toml.Node, t *statusTable) bridge.Status {
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
		return bridge.Status{}
	}
	if f := n.Field("status").Field("topic"); f != nil {
		l.variables(f, string(t.Topic), []string{"node"})
	}
	return bridge.Status{Topic: l.fillNode(string(t.Topic)), Online: t.Online, Offline: t.Offline}
}

// defaultCommandExpiry is for in rules that bring commands: a relay must not execute
// yesterday's command.
const defaultCommandExpiry = 60 * time.Second

func (l *loader) rule(b *Bridge, t *ruleTable) (bridge.Rule, bool) {
	if !t.ok {
		return bridge.Rule{}, false
	}
	r := t.Rule
	r.Out, r.In, r.QoS, r.Retain = t.Dir != "in", t.Dir != "out", 1, true
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
func (l *loader) ruleTopics(t *ruleTable, r *bridge.Rule) bool {
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
func (l *loader) ruleOptions(t *ruleTable, r *bridge.Rule) {
	if r.In && r.Expire == 0 && t.n.Field("expire") == nil && strings.HasSuffix(r.Local, "/set") {
		r.Expire = defaultCommandExpiry
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
