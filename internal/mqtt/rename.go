package mqtt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Renamer turns the topics that match a filter into other topics. It is made
// once and may be used from any goroutine.
type Renamer struct {
	filter string
	to     string // the new topic with its captures named
	plus   int    // number of + in filter
	hash   bool   // filter ends in #
	parts  []part // of the new topic
}

// part is a literal or a capture of the new topic. A level that is nothing but
// {rest} keeps the slash before it in slash, because "a/#" also matches "a" and
// then both go.
type part struct {
	lit     string
	capture int  // 0 literal, 1… the n-th +, rest the #
	slash   bool // the capture is a level of its own that follows another one
	level   bool // the capture is a level of its own
}

const rest = -1

// NewRenamer makes the Renamer of a rule: from is a filter, to the new topic. The
// wildcards of from stand in to either at the same places, as in a/+/# and b/+/#,
// or as {1}, {2} … and {rest}, in any order and as often as wanted.
func NewRenamer(from, to string) (*Renamer, error) {
	if err := CheckFilter(from); err != nil {
		return nil, fmt.Errorf("%q: %w", from, err)
	}
	if strings.HasPrefix(from, "$share/") {
		return nil, fmt.Errorf("%q: a rule cannot use a shared subscription", from)
	}
	if err := checkText(to); err != nil {
		return nil, fmt.Errorf("%q: %w", to, err)
	}
	r := &Renamer{filter: from}
	r.plus, r.hash = countWildcards(from)
	var err error
	if strings.ContainsAny(to, "+#") {
		if strings.Contains(to, "{") {
			return nil, fmt.Errorf("%q: use either wildcards or {1} {2} {rest}, not both", to)
		}
		if err = r.correspond(to); err != nil {
			return nil, err
		}
		to = numberWildcards(to)
	}
	r.to = to
	r.parts, err = r.parse(to)
	return r, err
}

// NewReverseRenamer is the Renamer of a rule that fetches: it turns remote topics
// into local ones. Either side may be the one with the wildcards.
func NewReverseRenamer(local, remote string) (*Renamer, error) {
	if strings.Contains(local, "{") {
		return NewRenamer(remote, local)
	}
	r, err := NewRenamer(local, remote)
	if err != nil {
		return nil, err
	}
	return r.Reverse()
}

// Filter is what a topic must match to be renamed.
func (r *Renamer) Filter() string { return r.filter }

// Result is a filter that every new topic matches.
func (r *Renamer) Result() string {
	levels := strings.Split(r.to, "/")
	for i, level := range levels {
		switch {
		case strings.Contains(level, "{rest}"): // any number of levels
			return strings.Join(append(levels[:i], "#"), "/")
		case strings.Contains(level, "{"):
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/")
}

// Rename returns the new topic. ok is false if topic does not match the filter, or if
// the new name would not be a topic: empty, too long, too many levels.
func (r *Renamer) Rename(topic string) (renamed string, ok bool) {
	if !Match(r.filter, topic) {
		return "", false
	}
	var space [16]string
	captures, tail, hasTail := r.capture(topic, space[:0])
	n := 0
	for _, p := range r.parts {
		n += len(p.lit) + 1
		if p.capture > 0 {
			n += len(captures[p.capture-1])
		} else if p.capture == rest {
			n += len(tail)
		}
	}
	b := make([]byte, 0, n)
	for _, p := range r.parts {
		switch {
		case p.capture == 0:
			b = append(b, p.lit...)
		case p.capture == rest && !hasTail && p.level:
			// "a/#" matched "a": the level vanishes, with its slash
		default:
			if p.slash {
				b = append(b, '/')
			}
			if p.capture == rest {
				b = append(b, tail...)
			} else {
				b = append(b, captures[p.capture-1]...)
			}
		}
	}
	renamed = string(b)
	if CheckTopic(renamed) != nil {
		return "", false
	}
	return renamed, true
}

// capture takes the levels of a matching topic apart. hasTail is false where # stands
// for no level at all.
func (r *Renamer) capture(topic string, captures []string) (_ []string, tail string, hasTail bool) {
	filter, more := r.filter, true
	for more {
		var f, level string
		f, filter, _ = strings.Cut(filter, "/")
		if f == "#" {
			return captures, topic, true
		}
		level, topic, more = strings.Cut(topic, "/")
		if f == "+" {
			captures = append(captures, level)
		}
	}
	return captures, "", false
}

// Reverse returns the Renamer for the other direction. It fails if the new name does
// not tell the old one: a wildcard that is left out, used twice or glued to text.
func (r *Renamer) Reverse() (*Renamer, error) {
	order := make(map[int]int) // capture in our filter → + in the new topic
	var filter strings.Builder
	plus := 0
	for i, p := range r.parts {
		if p.capture == 0 {
			filter.WriteString(p.lit)
			continue
		}
		name := captureName(p.capture)
		if !p.level {
			return nil, fmt.Errorf("%s shares its level with other text, so the way back is not known", name)
		}
		if _, twice := order[p.capture]; twice {
			return nil, fmt.Errorf("%s is used twice, so the way back is not known", name)
		}
		if p.slash {
			filter.WriteByte('/')
		}
		if p.capture == rest {
			if i != len(r.parts)-1 {
				return nil, errors.New("{rest} must be the last level where a rule also fetches")
			}
			filter.WriteByte('#')
			order[rest] = rest
			continue
		}
		plus++
		filter.WriteByte('+')
		order[p.capture] = plus
	}
	pattern, err := r.backPattern(order)
	if err != nil {
		return nil, err
	}
	return NewRenamer(filter.String(), pattern)
}

func (r *Renamer) backPattern(order map[int]int) (string, error) {
	levels := strings.Split(r.filter, "/")
	plus := 0
	for i, level := range levels {
		c := 0
		switch level {
		case "+":
			plus++
			c = plus
		case "#":
			c = rest
		default:
			continue
		}
		back, used := order[c]
		if !used {
			return "", fmt.Errorf("%s is left out, so the way back is not known", captureName(c))
		}
		levels[i] = captureName(back)
	}
	return strings.Join(levels, "/"), nil
}

// correspond checks that the wildcards of to are those of the filter.
func (r *Renamer) correspond(to string) error {
	if err := CheckFilter(to); err != nil {
		return fmt.Errorf("%q: %w", to, err)
	}
	plus, hash := countWildcards(to)
	if plus > r.plus || hash && !r.hash {
		return fmt.Errorf("%q has wildcards that %q does not have", to, r.filter)
	}
	if plus < r.plus || r.hash && !hash {
		return fmt.Errorf("%q has fewer wildcards than %q (to leave some out, name the others {1} {2} {rest})", to, r.filter)
	}
	return nil
}

// parse splits the new topic at its captures.
func (r *Renamer) parse(to string) ([]part, error) {
	var parts []part
	for at := 0; at < len(to); {
		open := strings.IndexByte(to[at:], '{')
		if open < 0 {
			return append(parts, part{lit: to[at:]}), nil
		}
		open += at
		length := strings.IndexByte(to[open:], '}')
		if length < 0 {
			return nil, fmt.Errorf("%q: { without }", to)
		}
		end := open + length + 1
		c, err := r.captureNumber(to[open+1 : end-1])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", to, err)
		}
		p := part{capture: c}
		p.level = (open == 0 || to[open-1] == '/') && (end == len(to) || to[end] == '/')
		lit := to[at:open]
		if p.level && open > 0 {
			lit, p.slash = lit[:len(lit)-1], true
		}
		if lit != "" {
			parts = append(parts, part{lit: lit})
		}
		parts = append(parts, p)
		at = end
	}
	return parts, nil
}

func (r *Renamer) captureNumber(name string) (int, error) {
	if name == "rest" {
		if !r.hash {
			return 0, fmt.Errorf("{rest} needs a # at the end of %q", r.filter)
		}
		return rest, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || strconv.Itoa(n) != name {
		return 0, fmt.Errorf("{%s} is not known here (have {1} {2} … for each +, {rest} for #)", name)
	}
	if n > r.plus {
		return 0, fmt.Errorf("{%d}, but %q has %d +", n, r.filter, r.plus)
	}
	return n, nil
}

func captureName(c int) string {
	if c == rest {
		return "{rest}"
	}
	return "{" + strconv.Itoa(c) + "}"
}

func countWildcards(filter string) (plus int, hash bool) {
	return strings.Count(filter, "+"), strings.HasSuffix(filter, "#")
}

// numberWildcards writes a/+/# as a/{1}/{rest}.
func numberWildcards(filter string) string {
	var b strings.Builder
	plus := 0
	for _, c := range []byte(filter) {
		switch c {
		case '+':
			plus++
			b.WriteString(captureName(plus))
		case '#':
			b.WriteString(captureName(rest))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// FiltersOverlap reports whether there is a topic that both filters match. Both must
// have passed CheckFilter.
func FiltersOverlap(a, b string) bool {
	if reservedApart(a, b) || reservedApart(b, a) {
		return false
	}
	for {
		aLevel, aRest, aMore := strings.Cut(a, "/")
		bLevel, bRest, bMore := strings.Cut(b, "/")
		if aLevel == "#" || bLevel == "#" {
			return true
		}
		if aLevel != bLevel && aLevel != "+" && bLevel != "+" {
			return false
		}
		switch {
		case !aMore && !bMore:
			return true
		case !aMore:
			return bRest == "#" // "sport/#" includes "sport" (4.7.1.2)
		case !bMore:
			return aRest == "#"
		}
		a, b = aRest, bRest
	}
}

// reservedApart: a leading wildcard does not reach $-topics [MQTT-4.7.2-1].
func reservedApart(a, b string) bool {
	return strings.HasPrefix(a, "$") && b != "" && (b[0] == '+' || b[0] == '#')
}
