package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sensorgate/internal/mqtt"
)

// ruleAt is a rule with its place.
type ruleAt struct {
	Rule
	bridge *Bridge
	n      *node
}

// name is how a message in another place calls the rule.
func (r *ruleAt) name(from *ruleAt) string {
	if r.bridge.Name == from.bridge.Name {
		return "rules" + r.n.name
	}
	return r.n.path()
}

// localFilter and remoteFilter are what the rule touches on each side, as filters.
func (r *ruleAt) localFilter() string  { return asFilter(r.Local) }
func (r *ruleAt) remoteFilter() string { return asFilter(r.Remote) }

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
	for i := range l.rules {
		for k := range l.rules {
			if a, b := &l.rules[i], &l.rules[k]; a.bridge.Name == b.bridge.Name {
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
	if out.n == both.n || !out.Out || !both.Out || !both.In || both.bridge.Protocol != "3.1.1" {
		return
	}
	if out.In && out.n.key.off > both.n.key.off {
		return // of two both rules the later is told of, once
	}
	if !mqtt.FiltersOverlap(out.localFilter(), both.localFilter()) || !mqtt.FiltersOverlap(out.remoteFilter(), both.remoteFilter()) {
		return
	}
	p := l.atKey(both.n, fmt.Sprintf("with %s this makes a loop on an MQTT 3.1.1 upstream", out.name(both)),
		try(`dir = "in" in rules`+both.n.name))
	p.Quotes = []Quote{l.sends(out, both), quoteWith(both, "brings it back")}
}

// sends quotes a rule with an example of what it sends.
func (l *loader) sends(out, in *ruleAt) Quote {
	if topic, ok := l.example(out.localFilter(), in.localFilter()); ok {
		if renamer, err := mqtt.NewRenamer(out.Local, out.Remote); err == nil {
			if remote, ok := renamer.Rename(topic); ok {
				return quoteWith(out, fmt.Sprintf("sends    %s as %s", topic, remote))
			}
		}
	}
	return quoteWith(out, "sends    "+out.Local+" as "+out.Remote)
}

func quoteWith(r *ruleAt, remark string) Quote {
	line := r.n.line()
	return Quote{Line: line, Text: withoutSecrets(r.n.src.line(line)), Remark: remark}
}

// example gives a topic that both filters match, best one that exists here.
func (l *loader) example(a, b string) (string, bool) {
	for i := len(l.topics) - 1; i >= 0; i-- { // orders stand last, and are what hurts in a circle
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

// circles reports rules of several bridges by which a message comes round for ever:
// brought in by one, sent out by another to where a third fetches it again.
func (l *loader) circles() {
	if len(l.cfg.Bridges) < 2 {
		return
	}
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(l.rules))
	var way []step
	var visit func(in int)
	visit = func(in int) {
		state[in] = open
		for _, s := range l.stepsFrom(in) {
			switch state[s.in] {
			case unseen:
				way = append(way, s)
				visit(s.in)
				way = way[:len(way)-1]
			case open:
				l.circle(append(slices.Clone(way), s), s.in)
			}
		}
		state[in] = done
	}
	for i := range l.rules {
		if l.rules[i].In && state[i] == unseen {
			visit(i)
		}
	}
}

// step is a message that was brought in, sent out by rule out and fetched by rule in.
type step struct{ from, out, in int }

func (l *loader) stepsFrom(from int) (steps []step) {
	a := &l.rules[from]
	for o := range l.rules {
		out := &l.rules[o]
		if !out.Out || out.bridge.Name == a.bridge.Name || !mqtt.FiltersOverlap(a.localFilter(), out.localFilter()) || l.beaten(a, out) {
			continue
		}
		for k := range l.rules {
			in := &l.rules[k]
			sameBridge := in.bridge.Name == out.bridge.Name
			guarded := sameBridge && (o == k || in.bridge.Protocol != "3.1.1")
			if !in.In || guarded || !sameUpstream(out.bridge, in.bridge) || !mqtt.FiltersOverlap(out.remoteFilter(), in.remoteFilter()) {
				continue
			}
			steps = append(steps, step{from, o, k})
		}
	}
	return steps
}

// beaten: all that a brings in belongs to an in rule of out's bridge, so that bridge
// does not send it.
func (l *loader) beaten(a, out *ruleAt) bool {
	return slices.ContainsFunc(l.rules, func(r ruleAt) bool {
		return r.bridge.Name == out.bridge.Name && r.In && !r.Out && covers(r.localFilter(), a.localFilter())
	})
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

// sameUpstream reports whether two bridges may be connected to the same broker.
func sameUpstream(a, b *Bridge) bool {
	if a.Name == b.Name {
		return true
	}
	for _, x := range a.URLs {
		if slices.ContainsFunc(b.URLs, func(y string) bool { return brokerAddress(x) == brokerAddress(y) }) {
			return true
		}
	}
	return false
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

// circle reports the steps that lead from the in rule start back to it.
func (l *loader) circle(way []step, start int) {
	first := slices.IndexFunc(way, func(s step) bool { return s.from == start })
	way = way[first:]
	last := &l.rules[way[len(way)-1].in]
	p := l.atKey(last.n, fmt.Sprintf("with %s this makes a loop", l.rules[way[0].out].name(last)),
		try("a prefix or other topics for one of the bridges, so that what is sent is not fetched again"))
	p.Quotes = nil
	for _, s := range way {
		p.Quotes = append(p.Quotes, l.sends(&l.rules[s.out], &l.rules[s.from]), quoteWith(&l.rules[s.in], "fetches  "+l.rules[s.in].Remote))
	}
}
