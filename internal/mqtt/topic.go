package mqtt

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxTopicLevels bounds the levels of a topic name or filter. The standard sets
// no bound; a topic of 65,535 slashes must not cost us 65,535 steps per match
// (CVE-2019-11779).
const MaxTopicLevels = 200

// Reasons why a topic name or filter is refused.
var (
	ErrTopicEmpty    = errors.New("topic is empty")                                                               // [MQTT-4.7.3-1]
	ErrTopicTooLong  = errors.New("topic is longer than 65535 bytes")                                             // [MQTT-4.7.3-3]
	ErrTopicUTF8     = errors.New("topic is not well-formed UTF-8")                                               // [MQTT-1.5.3-1]
	ErrTopicNUL      = errors.New("topic contains U+0000")                                                        // [MQTT-4.7.3-2]
	ErrTopicWildcard = errors.New("wildcard in a topic name (+ and # belong in filters)")                         // [MQTT-3.3.2-2]
	ErrTopicLevels   = errors.New("topic has more than 200 levels")                                               // ours, see MaxTopicLevels
	ErrFilterHash    = errors.New("# must be the last level of a filter and stand alone")                         // [MQTT-4.7.1-2]
	ErrFilterPlus    = errors.New("+ must stand alone in its level of a filter")                                  // [MQTT-4.7.1-3]
	ErrFilterShare   = errors.New("shared subscription must read $share/GROUP/FILTER with a GROUP without / + #") // [MQTT-4.8.2-1, v5]
)

// CheckTopic reports why name cannot be the topic of a PUBLISH, or nil.
func CheckTopic(name string) error {
	if err := checkText(name); err != nil {
		return err
	}
	if strings.ContainsAny(name, "+#") {
		return ErrTopicWildcard
	}
	return nil
}

// CheckFilter reports why filter cannot be subscribed to, or nil. A filter of a
// shared subscription is checked as a whole, see SplitShare.
func CheckFilter(filter string) error {
	if err := checkText(filter); err != nil {
		return err
	}
	if strings.HasPrefix(filter, "$share/") {
		_, inner, ok := SplitShare(filter)
		if !ok {
			return ErrFilterShare
		}
		filter = inner
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case strings.Contains(level, "#") && (level != "#" || more):
			return ErrFilterHash
		case strings.Contains(level, "+") && level != "+":
			return ErrFilterPlus
		}
	}
	return nil
}

func checkText(s string) error {
	switch {
	case s == "":
		return ErrTopicEmpty
	case len(s) > 65535:
		return ErrTopicTooLong
	case !utf8.ValidString(s):
		return ErrTopicUTF8
	case strings.IndexByte(s, 0) >= 0:
		return ErrTopicNUL
	case strings.Count(s, "/") >= MaxTopicLevels:
		return ErrTopicLevels
	}
	return nil
}

// SplitShare splits "$share/GROUP/FILTER" (MQTT 5, 4.8.2). ok is false if filter
// is not of that form or the group name is not allowed.
func SplitShare(filter string) (group, inner string, ok bool) {
	rest, found := strings.CutPrefix(filter, "$share/")
	if !found {
		return "", "", false
	}
	group, inner, found = strings.Cut(rest, "/")
	if !found || group == "" || inner == "" || strings.ContainsAny(group, "+#") {
		return "", "", false
	}
	return group, inner, true
}

// Match reports whether the topic name matches the filter (4.7). Both must have
// passed their checks. It allocates nothing and does not recurse.
func Match(filter, name string) bool {
	// A leading wildcard must not reach into the broker's own topics [MQTT-4.7.2-1].
	if name != "" && name[0] == '$' && filter != "" && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	for {
		f, fRest, fMore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		n, nRest, nMore := strings.Cut(name, "/")
		if f != "+" && f != n {
			return false
		}
		switch {
		case !fMore && !nMore:
			return true
		case fMore && !nMore:
			return fRest == "#" // "sport/#" includes "sport" (4.7.1.2)
		case !fMore:
			return false
		}
		filter, name = fRest, nRest
	}
}
