package permissions

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sensorgate/broker/passwd"
	"sensorgate/internal/mqtt"
)

const testACL = `
topic read public/#
user ann
topic readwrite ann/#
topic read shared/#
topic deny shared/secret
topic subscribe meters/#
user bob
topic readwrite #
topic read $SYS/#
pattern readwrite home/%u/%c/#
`

func TestACL(t *testing.T) {
	a, err := parseACL([]byte(testACL))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, client string
		access       access
		topic        string
		want         bool
	}{
		{"", "c", accessRead, "public/x", true},
		{"", "c", accessWrite, "public/x", false},
		{"ann", "c", accessRead, "public/x", false}, // topic lines before user are for clients without a name
		{"ann", "c", accessWrite, "ann/x", true},
		{"ann", "c", accessRead, "shared/x", true},
		{"ann", "c", accessWrite, "shared/x", false},
		{"ann", "c", accessRead, "shared/secret", false},
		{"ann", "c", accessRead, "meters/1", false}, // subscribe alone does not deliver
		{"ann", "c", accessRead, "home/ann/c/x", true},
		{"ann", "c", accessRead, "home/bob/c/x", false},
		{"ann", "#", accessRead, "home/ann/x/y", false}, // names never widen a pattern
		{"ann", "+", accessRead, "home/ann/x/y", false},
		{"ann", "x/y", accessRead, "home/ann/x/y", false},
		{"+", "c", accessRead, "home/ann/c/x", false},
		{"", "c", accessRead, "home//c/x", false}, // without a name, %u is nothing
		{"bob", "c", accessWrite, "any/thing", true},
		{"bob", "c", accessRead, "$SYS/broker/uptime", true},
		{"bob", "c", accessWrite, "$SYS/broker/uptime", false}, // # does not reach $…
	} {
		if got := allows(a.rulesFor(c.user, c.client), c.access, c.topic); got != c.want {
			t.Errorf("user %q client %q access %d %q: %v, want %v", c.user, c.client, c.access, c.topic, got, c.want)
		}
	}
	for filter, want := range map[string]bool{
		"shared/#": true, "shared/secret": false, "#": true, "+/x": true, "ann/#": true, "other/#": false,
		"meters/+": true, "$SYS/#": false, "$share/g/shared/#": true, "$share/g/other": false,
	} {
		if got := allowsFilter(a.rulesFor("ann", "c"), filter); got != want {
			t.Errorf("ann subscribes to %q: %v, want %v", filter, got, want)
		}
	}
}

func TestACLFileIsRefusedAsAWhole(t *testing.T) {
	for name, text := range map[string]string{
		"unknown word": "usr ann\n", "no topic": "topic read\n", "bad filter": "topic a/#/b\n",
		"user without name": "user\n", "share": "topic read $share/g/a\n",
	} {
		if _, err := parseACL([]byte(text)); err == nil {
			t.Errorf("%s: %q was taken", name, text)
		}
	}
}

// TestUnknownUsersTakeAsLong: a user name cannot be found out by the time of the refusal.
// Both are hashed once, at the same cost. What is compared is the hashes and not their
// times, which on a busy machine say nothing.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	v := NewVerifier()
	var hashed []string
	v.verify = func(hash string, password []byte) bool {
		hashed = append(hashed, hash)
		return passwd.Verify(hash, password)
	}
	hash := passwd.Hash([]byte("right"))
	for i, attempt := range []Attempt{{User: "known", Hash: hash}, {User: "unknown"}} {
		attempt.Password = fmt.Appendf(nil, "wrong %d", i) // else the cache answers
		if v.Check(context.Background(), attempt) != Wrong {
			t.Fatal("a wrong password was taken")
		}
	}
	cost := func(hash string) string { return strings.Join(strings.Split(hash, "$")[:4], "$") }
	if len(hashed) != 2 || cost(hashed[0]) != cost(hashed[1]) {
		t.Errorf("hashed %q, want one of each at the same cost", hashed)
	}
}

func FuzzACL(f *testing.F) {
	f.Add([]byte(testACL), "ann", "c", "home/ann/c/x")
	f.Fuzz(func(t *testing.T, data []byte, user, client, topic string) {
		a, err := parseACL(data)
		if err != nil || mqtt.CheckTopic(topic) != nil {
			return
		}
		rules := a.rulesFor(user, client)
		for _, r := range rules {
			if err := mqtt.CheckFilter(r.filter); err != nil {
				t.Errorf("rule %q: %v", r.filter, err)
			}
			// What covers or overlaps says of a filter must agree with Match on a topic.
			if mqtt.Match(r.filter, topic) != covers(r.filter, topic) || mqtt.Match(r.filter, topic) != overlap(r.filter, topic) {
				t.Errorf("%q and %q: match %v, covers %v, overlap %v", r.filter, topic,
					mqtt.Match(r.filter, topic), covers(r.filter, topic), overlap(r.filter, topic))
			}
		}
		_ = allows(rules, accessRead, topic)
	})
}

// A client id takes memory once more for every pattern with %c: one of 60 KB is in none.
func TestLongClientIDsMatchNoPattern(t *testing.T) {
	a, err := parseACL([]byte("pattern readwrite dev/%c/#\npattern read %c/set\ntopic read all\n"))
	if err != nil {
		t.Fatal(err)
	}
	for length, want := range map[int]int{1: 3, maxPatternName: 3, maxPatternName + 1: 1, 60_000: 1} {
		if rules := a.rulesFor("", strings.Repeat("x", length)); len(rules) != want {
			t.Errorf("a client id of %d bytes has %d rules, want %d", length, len(rules), want)
		}
	}
}
