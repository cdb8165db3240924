package config

import (
	"errors"
	"fmt"
	"strings"

	"sensorgate/drivers"
)

// optionError reports what an option's own check or UnmarshalText says. The keys of
// a KeyError count from base; at is where the fault is if it has none.
func (r *reporter) optionError(base, at *node, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && !isKeyError(err) {
		for _, e := range joined.Unwrap() {
			r.optionError(base, at, e)
		}
		return
	}
	var ke *drivers.KeyError
	if !errors.As(err, &ke) {
		r.atValue(at, withFound(at, err.Error()))
		return
	}
	where, exact := lookup(base, ke.Key)
	fix := ke.Try
	if fix != "" && !strings.Contains(fix, "=") && exact {
		fix = assign(where, fix)
	}
	p := r.atValue(where, ke.Problem, expected(ke.Expected), try(fix))
	if !exact && ke.Key != "" {
		p.Path = joinPath(base.path(), ke.Key)
	}
}

func isKeyError(err error) bool {
	_, ok := err.(*drivers.KeyError)
	return ok
}

// withFound puts what was found in front of an error that does not say it.
func withFound(at *node, text string) string {
	switch {
	case at.kind != kindString || strings.HasPrefix(text, "found "):
		return text
	case strings.HasPrefix(text, "a ") || strings.HasPrefix(text, "an "):
		return fmt.Sprintf("found %s, expected %s", at.found(), text)
	case strings.HasPrefix(text, "expected "):
		return fmt.Sprintf("found %s, %s", at.found(), text)
	case strings.Contains(text, at.text()):
		return text
	}
	return fmt.Sprintf("found %s: %s", at.found(), text)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// lookup follows a dotted key from n as far as there are nodes. exact is false if
// it had to stop above.
func lookup(n *node, key string) (at *node, exact bool) {
	for rest := key; rest != ""; {
		var part string
		if f := n.field(rest); f != nil { // a channel's name may have a dot in it
			return f, true
		}
		part, rest, _ = strings.Cut(rest, ".")
		next := n.field(part)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
