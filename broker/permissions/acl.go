package permissions

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"sensorgate/internal/mqtt"
)

// access is what a rule is about.
type access byte

const (
	accessRead      access = 1 << iota // receive, and subscribe
	accessWrite                        // publish
	accessSubscribe                    // subscribe, but not receive: what is received, other rules say
	accessDeny                         // none of these, whatever other rules say
)

// rule is one line of an ACL file.
type rule struct {
	access  access
	filter  string
	pattern bool // %c and %u stand for client id and user name
}

// acl is the contents of an ACL file, in mosquitto's format: lines of
//
//	topic [read|write|readwrite|subscribe|deny] FILTER
//	user NAME
//	pattern [read|write|readwrite|subscribe|deny] FILTER
//
// A topic line is for the user named before it, or for clients without a name if none
// was; a pattern line is for all. What no rule allows is denied, and deny wins.
type acl struct {
	users    map[string][]rule // "" is without a name
	patterns []rule
}

// loadACL reads a file. It is valid as a whole or not at all.
func loadACL(path string) (*acl, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ACL file: %w", err)
	}
	a, err := parseACL(data)
	if err != nil {
		return nil, fmt.Errorf("ACL file %s: %w", path, err)
	}
	return a, nil
}

func parseACL(data []byte) (*acl, error) {
	a := &acl{users: map[string][]rule{}}
	user, number := "", 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "user":
			if rest == "" {
				return nil, fmt.Errorf("line %d: user without a name", number)
			}
			user = rest
			if a.users[user] == nil {
				a.users[user] = []rule{}
			}
		case "topic", "pattern":
			r, err := parseRule(rest, word == "pattern")
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			if r.pattern {
				a.patterns = append(a.patterns, r)
			} else {
				a.users[user] = append(a.users[user], r)
			}
		default:
			return nil, fmt.Errorf("line %d: found %q, expected user, topic or pattern", number, word)
		}
	}
	return a, nil
}

var accessWords = map[string]access{
	"read": accessRead, "write": accessWrite, "readwrite": accessRead | accessWrite,
	"subscribe": accessSubscribe, "deny": accessDeny,
}

// parseRule reads "[access] filter"; without access it is readwrite. A filter may have
// blanks in it.
func parseRule(text string, pattern bool) (rule, error) {
	r := rule{access: accessRead | accessWrite, filter: text, pattern: pattern}
	if word, rest, ok := strings.Cut(text, " "); ok {
		if a, known := accessWords[word]; known {
			r.access, r.filter = a, strings.TrimSpace(rest)
		}
	}
	if _, alone := accessWords[r.filter]; alone && r.filter == text {
		return r, fmt.Errorf("%s without a topic", text)
	}
	if err := mqtt.CheckFilter(r.filter); err != nil {
		return r, fmt.Errorf("%q: %w", r.filter, err)
	}
	if strings.HasPrefix(r.filter, "$share/") {
		return r, fmt.Errorf("%q: rules are about topics; leave $share/GROUP/ away", r.filter)
	}
	return r, nil
}

// rulesFor returns the rules for one client, with its names put in.
func (a *acl) rulesFor(user, client string) []rule {
	rules := append([]rule(nil), a.users[user]...)
	for _, p := range a.patterns {
		if filter, ok := substitute(p.filter, user, client); ok {
			rules = append(rules, rule{access: p.access, filter: filter})
		}
	}
	return rules
}

// maxPatternName is the longest name that is put into patterns, in bytes. A client chooses its id,
// and every pattern with it takes memory of its own.
const maxPatternName = 256

// substitute puts the names into a pattern. A name that could widen it, that is longer than
// maxPatternName or not there makes the pattern apply to nothing (CVE-2017-7650).
func substitute(pattern, user, client string) (string, bool) {
	for _, s := range []struct{ mark, name string }{{"%u", user}, {"%c", client}} {
		if !strings.Contains(pattern, s.mark) {
			continue
		}
		if s.name == "" || len(s.name) > maxPatternName || strings.ContainsAny(s.name, "+#/%$") {
			return "", false
		}
		pattern = strings.ReplaceAll(pattern, s.mark, s.name)
	}
	return pattern, mqtt.CheckFilter(pattern) == nil
}

// allows reports whether the rules allow the access to a topic.
func allows(rules []rule, want access, topic string) bool {
	ok := false
	for _, r := range rules {
		if r.access&(want|accessDeny) != 0 && mqtt.Match(r.filter, topic) {
			if r.access == accessDeny {
				return false
			}
			ok = true
		}
	}
	return ok
}

// allowsFilter reports whether a filter may be subscribed to: something that it matches
// may be read. What may not be read of it is left out at delivery.
func allowsFilter(rules []rule, filter string) bool {
	if _, inner, shared := mqtt.SplitShare(filter); shared {
		filter = inner
	}
	ok := false
	for _, r := range rules {
		switch {
		case r.access == accessDeny:
			if covers(r.filter, filter) {
				return false
			}
		case r.access&(accessRead|accessSubscribe) != 0:
			ok = ok || overlap(r.filter, filter)
		}
	}
	return ok
}

// covers reports whether every topic that b matches is matched by a.
func covers(a, b string) bool {
	if startsWild(a) && b[0] == '$' {
		return false
	}
	for {
		x, aRest, aMore := strings.Cut(a, "/")
		y, bRest, bMore := strings.Cut(b, "/")
		switch {
		case x == "#":
			return true
		case y == "#", x != "+" && x != y:
			return false
		case !aMore && !bMore:
			return true
		case aMore && !bMore:
			return aRest == "#"
		case !aMore:
			return false
		}
		a, b = aRest, bRest
	}
}

// overlap reports whether there is a topic that both filters match.
func overlap(a, b string) bool {
	if startsWild(a) && b[0] == '$' || startsWild(b) && a[0] == '$' {
		return false
	}
	for {
		x, aRest, aMore := strings.Cut(a, "/")
		y, bRest, bMore := strings.Cut(b, "/")
		switch {
		case x == "#" || y == "#":
			return true
		case x != y && x != "+" && y != "+":
			return false
		case !aMore && !bMore:
			return true
		case !aMore:
			return bRest == "#"
		case !bMore:
			return aRest == "#"
		}
		a, b = aRest, bRest
	}
}

func startsWild(filter string) bool { return filter[0] == '+' || filter[0] == '#' }
