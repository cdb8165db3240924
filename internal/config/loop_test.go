package config

import (
	"fmt"
	"strings"
	"testing"
)

// What makes a loop is found, and what does not is let through.
func TestLoops(t *testing.T) {
	const hub, other = "mqtt://hub.example.com", "mqtt://other.example.com"
	bridge := func(name, url, extra string, rules ...string) string {
		return fmt.Sprintf("[bridge.%s]\nurls = [%q]\n%s\nrules = [ %s ]\n", name, url, extra, strings.Join(rules, ", "))
	}
	out := func(topics string) string { return `{ dir = "out", ` + topics + ` }` }
	in := func(topics string) string { return `{ dir = "in", ` + topics + ` }` }
	both := func(topics string) string { return `{ dir = "both", ` + topics + ` }` }
	for _, c := range []struct {
		name, file string
		loops      int
	}{
		{"out and in of one bridge: in beats out", bridge("a", hub, "", out(`local = "n/#"`), in(`local = "n/+/+/set"`)), 0},
		{"out and both of one bridge", bridge("a", hub, "", out(`local = "n/#"`), both(`local = "n/+/+/set"`)), 1},
		{"both first", bridge("a", hub, "", both(`local = "n/+/+/set"`), out(`local = "n/#"`)), 1},
		{"the same on MQTT 5, which has no-local", bridge("a", hub, `protocol = "5"`, out(`local = "n/#"`), both(`local = "n/+/+/set"`)), 0},
		{"two both rules that overlap", bridge("a", hub, "", both(`local = "x/#"`), both(`local = "x/y"`)), 1},
		{"out to another remote topic", bridge("a", hub, "", out(`local = "x/#", remote = "up/#"`), both(`local = "x/y"`)), 0},
		{"both alone", bridge("a", hub, "", both(`local = "shared/#"`)), 0},
		{"two bridges with both, different upstreams", bridge("a", hub, "", both(`local = "shared/#"`)) + bridge("b", other, "", both(`local = "shared/#"`)), 0},
		{"two bridges with both, the same upstream", bridge("a", hub, "", both(`local = "shared/#"`)) + bridge("b", hub, "", both(`local = "shared/#"`)), 1},
		{"in here, out there, one upstream", bridge("a", hub, "", in(`local = "x/#"`)) + bridge("b", hub, "", out(`local = "x/#"`)), 1},
		{"the same with a prefix", bridge("a", hub, "", in(`local = "x/#"`)) + bridge("b", hub, `prefix = "p/"`, out(`local = "x/#"`)), 0},
		{"in here, out there, two upstreams: forwarding", bridge("a", hub, "", in(`local = "x/#"`)) + bridge("b", other, "", out(`local = "x/#"`)), 0},
		{"one of several urls is the same", bridge("a", hub, "", in(`local = "x/#"`)) + "[bridge.b]\nurls = [\"mqtt://z\", \"mqtts://hub.example.com\"]\nrules = [ " + out(`local = "x/#"`) + " ]\n", 1},
		{"topics that do not meet", bridge("a", hub, "", in(`local = "x/#"`)) + bridge("b", hub, "", out(`local = "y/#"`)), 0},
		{"renamed on the way, and round it goes", bridge("a", hub, "", in(`local = "x/#", remote = "r/#"`)) + bridge("b", hub, "", out(`local = "x/#", remote = "r/#"`)), 1},
		{"renamed to where nobody fetches", bridge("a", hub, "", in(`local = "x/#", remote = "r/#"`)) + bridge("b", hub, "", out(`local = "x/#", remote = "s/#"`)), 0},
		{"over three bridges", bridge("a", hub, "", in(`local = "x/#", remote = "r/#"`)) + bridge("b", other, "", out(`local = "x/#", remote = "s/#"`)) +
			bridge("c", other, "", in(`local = "y/#", remote = "s/#"`)) + bridge("d", hub, "", out(`local = "y/#", remote = "r/#"`)), 1},
		{"over three bridges, cut", bridge("a", hub, "", in(`local = "x/#", remote = "r/#"`)) + bridge("b", other, "", out(`local = "x/#", remote = "s/#"`)) +
			bridge("c", other, "", in(`local = "y/#", remote = "s/#"`)) + bridge("d", hub, "", out(`local = "z/#", remote = "r/#"`)), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ps, _ := loadText(t, "node = \"n\"\n"+c.file)
			found := 0
			for _, p := range ps {
				if strings.Contains(p.Text, "makes a loop") {
					found++
				} else {
					t.Errorf("unexpected: %s", p.Headline())
				}
			}
			if found != c.loops {
				t.Errorf("%d loops, want %d: %v", found, c.loops, ps)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"#", "a/b", true}, {"a/#", "a", true}, {"a/#", "a/+/c", true}, {"a/+", "a/b", true}, {"a/+", "a/+", true},
		{"a/+", "a/#", false}, {"a/b", "a/+", false}, {"a/b", "a/b/c", false}, {"a/b/c", "a/b", false}, {"+/b", "a/b", true},
	} {
		if got := covers(c.a, c.b); got != c.want {
			t.Errorf("covers(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
