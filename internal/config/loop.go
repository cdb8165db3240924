package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sensorgate/bridge"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
)

// ruleAt is a rule with its place and what loops need to know of it.
type ruleAt struct {
	bridge.Rule
	of *Bridge
	n  *toml.Node

	localFilter, remoteFilter string   // all topics that the rule touches on each side
	upstreams                 []string // brokers that its bridge may be connected to
}

func newRuleAt(r bridge.Rule, b *Bridge, n *toml.Node) ruleAt {
	at := ruleAt{Rule: r, of: b, n: n, localFilter: asFilter(r.Local), remoteFilter: asFilter(r.Remote)}
	for _, url := range b.URLs {
		at.upstreams = append(at.upstreams, brokerAddress(url))
	}
	return at
}

// maxRules bounds all rules together: each is compared with each.
const maxRules = 1000

// name is how a message in another place calls the rule.
func (r *ruleAt) name(from *ruleAt) string {
	if r.of.Name == from.of.Name {
		return "rules" + r.n.Name
	}
	return r.n.Path()
}

// asFilter widens a pattern to the filter of all topics that it can make.
func asFilter(pattern string) string {
	levels := strings.Split(pattern, "/")
	for i, level := range levels {
		switch {
		case strings.Contains(level, "{rest}"):
			return strings.Join(append(levels[:i:i], "#"), "/")
		case strings.Contains(level, "{"):
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/")
}

// loops reports rules that send a message round in a circle. Two guards of a bridge
// are counted on: what an in rule brings in is not sent out by the same bridge, and a
// rule with dir = "both" knows the echo of what itself has sent.
func (l *loader) loops() {
	if len(l.rules) > maxRules {
		l.AtKey(l.rules[maxRules].n, fmt.Sprintf("more than %d rules", maxRules), toml.Try("one rule with a wildcard instead of many"))
		return
	}
	for i := range l.rules {
		for k := range l.rules {
			if a, b := &l.rules[i], &l.rules[k]; a.of.Name == b.of.Name {
				l.echo(a, b)
			}
		}
	}
	l.circles()
}

// echo reports an out rule beside a both rule for the same topics: MQTT 3.1.1 has no
// "no local", so the second brings back what the first sends, and the bridge cannot
// take the "in beats out" way because the second is meant to send as well.
func (l *loader) echo(out, both *ruleAt) {
	if l.Full() || out.n == both.n || !out.Out || !both.Out || !both.In || both.of.Protocol == "5" {
		return
	}
	if out.In && both.n.Before(out.n) {
		return // of two both rules the later is reported, once
	}
	if !mqtt.FiltersOverlap(out.localFilter, both.localFilter) || !mqtt.FiltersOverlap(out.remoteFilter, both.remoteFilter) {
		return
	}
	p := l.AtKey(both.n, fmt.Sprintf("with %s this makes a loop on an MQTT 3.1.1 upstream", out.name(both)),
		toml.Try(`dir = "in" in rules`+both.n.Name))
	p.Quotes = []toml.Quote{l.sends(out, both), quoteWith(both, "brings it back")}
}

// sends quotes a rule with an example of what it sends.
func (l *loader) sends(out, in *ruleAt) toml.Quote {
	if topic, ok := l.example(out.localFilter, in.localFilter); ok {
		if renamer, err := mqtt.NewRenamer(out.Local, out.Remote); err == nil {
			if remote, ok := renamer.Rename(topic); ok {
				return quoteWith(out, fmt.Sprintf("sends    %s as %s", topic, remote))
			}
		}
	}
	return quoteWith(out, "sends    "+out.Local+" as "+out.Remote)
}

func quoteWith(r *ruleAt, remark string) toml.Quote {
	line := r.n.Line()
	return toml.Quote{Line: line, Text: r.n.Source.Shown(line), Remark: remark}
}

// example returns a topic that both filters match, best one that exists here.
func (l *loader) example(a, b string) (string, bool) {
	for i := len(l.topics) - 1; i >= 0; i-- { // commands stand last, and are what hurts in a circle
		if t := l.topics[i].topic; mqtt.Match(a, t) && mqtt.Match(b, t) {
			return t, true
		}
	}
	for _, f := range []string{a, b} {
		t := strings.NewReplacer("+", "x", "#", "x").Replace(f)
		if mqtt.Match(a, t) && mqtt.Match(b, t) {
			return t, true
		}
	}
	return "", false
}

// circles reports rules of several bridges by which a message comes round forever:
// brought in by one, sent out by another to where a third fetches it again. It looks
// for circles in the graph whose nodes are "a message was brought in by rule i" and
// "a message is sent out by rule i".
func (l *loader) circles() {
	if len(l.cfg.Bridges) < 2 {
		return
	}
	w := &walk{l: l, state: make([]walkState, 2*len(l.rules)), reported: map[*toml.Node]bool{}, owned: map[ownership]bool{}}
	for i := range l.rules {
		if in := (hop{i, false}); l.rules[i].In && w.state[in.node()] == unseen {
			w.visit(in)
		}
	}
}

// hop is a message that a rule has brought in, or sends out.
type hop struct {
	rule int
	out  bool
}

func (h hop) node() int {
	if h.out {
		return 2*h.rule + 1
	}
	return 2 * h.rule
}

type walkState uint8

const (
	unseen walkState = iota
	open             // on the way from where the walk began
	done
)

// walk is a depth-first search: a way back to an open node is a circle.
type walk struct {
	l        *loader
	state    []walkState
	way      []hop
	reported map[*toml.Node]bool // rules that were reported

	owned map[ownership]bool // what beaten has found out
}

type ownership struct {
	rule   int
	bridge string
}

func (w *walk) visit(h hop) {
	w.state[h.node()] = open
	w.way = append(w.way, h)
	for i := range w.l.rules {
		next := hop{i, !h.out}
		if w.state[next.node()] == done || w.l.Full() || !w.follows(h, next) {
			continue
		}
		if w.state[next.node()] == open {
			w.circle(w.way[slices.Index(w.way, next):])
			continue
		}
		w.visit(next)
	}
	w.way = w.way[:len(w.way)-1]
	w.state[h.node()] = done
}

// follows reports whether a message may go from one hop to the next.
func (w *walk) follows(from, to hop) bool {
	l := w.l
	a, b := &l.rules[from.rule], &l.rules[to.rule]
	if to.out { // brought in by a, sent out by b: a bridge never sends what it has fetched
		return b.Out && a.of.Name != b.of.Name && mqtt.FiltersOverlap(a.localFilter, b.localFilter) && !w.beaten(from.rule, b.of)
	}
	guarded := a.of.Name == b.of.Name && (from.rule == to.rule || b.of.Protocol == "5")
	return b.In && !guarded && sameUpstream(a, b) && mqtt.FiltersOverlap(a.remoteFilter, b.remoteFilter)
}

// beaten: all that rule brings in belongs to an in rule of the bridge, which therefore
// does not send it.
func (w *walk) beaten(rule int, b *Bridge) bool {
	key := ownership{rule, b.Name}
	if known, ok := w.owned[key]; ok {
		return known
	}
	local := w.l.rules[rule].localFilter
	w.owned[key] = slices.ContainsFunc(w.l.rules, func(r ruleAt) bool {
		return r.of.Name == b.Name && r.In && !r.Out && covers(r.localFilter, local)
	})
	return w.owned[key]
}

// covers reports whether filter a matches all that filter b matches.
func covers(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i, level := range as {
		switch {
		case level == "#":
			return true
		case i >= len(bs) || bs[i] == "#" || level != "+" && level != bs[i]:
			return false
		}
	}
	return len(as) == len(bs)
}

// sameUpstream reports whether the bridges of two rules may be connected to the same
// broker.
func sameUpstream(a, b *ruleAt) bool {
	return a.of.Name == b.of.Name ||
		slices.ContainsFunc(a.upstreams, func(x string) bool { return slices.Contains(b.upstreams, x) })
}

var upstreamPorts = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// brokerAddress is the host of a url without its port: a broker that listens on
// 1883 and on 8883 is one broker.
func brokerAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return text
	}
	if port := u.Port(); port != "" && port != upstreamPorts[u.Scheme] && !slices.Contains([]string{"1883", "8883"}, port) {
		return u.Host // unusual ports are how several brokers share a host
	}
	return u.Hostname()
}

// circle reports a way of hops whose last leads to its first. It is reported at the rule
// that stands last in the file.
func (w *walk) circle(way []hop) {
	l := w.l
	last := slices.MaxFunc(way, func(a, b hop) int { return a.rule - b.rule })
	at := &l.rules[last.rule]
	if w.reported[at.n] {
		return // two rules that go round both ways are one fault
	}
	w.reported[at.n] = true
	others, quotes := []string{}, []toml.Quote{}
	for i, h := range way {
		r := &l.rules[h.rule]
		if name := r.name(at); h.rule != last.rule && !slices.Contains(others, name) {
			others = append(others, name)
		}
		if h.out {
			before := &l.rules[way[(i+len(way)-1)%len(way)].rule]
			quotes = append(quotes, l.sends(r, before))
		} else {
			quotes = append(quotes, quoteWith(r, "fetches  "+r.Remote))
		}
	}
	p := l.AtKey(at.n, fmt.Sprintf("with %s this makes a loop", strings.Join(others, " and ")),
		toml.Try("a prefix or other topics for one of the bridges, so that what is sent is not fetched again"))
	p.Quotes = quotes
}
