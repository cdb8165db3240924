package toml

import (
	"fmt"
	"strings"
)

// OptionError reports what an option's own check or UnmarshalText says. The keys of
// a KeyError count from base; at is where the fault is if it has none.
func (r *Reporter) OptionError(base, at *Node, err error) {
	// The parts of joined errors are reported one by one, each at its key.
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.OptionError(base, at, e)
		}
		return
	}
	ke, blames := r.blamed(err)
	if !blames {
		r.AtValue(at, withFound(at, err.Error()))
		return
	}
	where, exact := Lookup(base, ke.Key)
	fix := ke.Try
	if fix != "" && !strings.Contains(fix, "=") && exact {
		fix = assign(where, fix)
	}
	p := r.AtValue(where, ke.Problem, Expected(ke.Expected), Try(fix))
	if !exact && ke.Key != "" {
		p.Path = joinPath(base.Path(), ke.Key)
	}
}

func (r *Reporter) blamed(err error) (KeyFault, bool) {
	if r.Hints.Fault == nil {
		return KeyFault{}, false
	}
	return r.Hints.Fault(err)
}

// withFound puts what was found in front of an error that does not say it.
func withFound(at *Node, text string) string {
	switch {
	case at.Kind != KindString || strings.HasPrefix(text, "found "):
		return text
	case strings.HasPrefix(text, "a ") || strings.HasPrefix(text, "an "):
		return fmt.Sprintf("found %s, expected %s", at.Found(), text)
	case strings.HasPrefix(text, "expected "):
		return fmt.Sprintf("found %s, %s", at.Found(), text)
	case strings.Contains(text, at.Text()):
		return text
	}
	return fmt.Sprintf("found %s: %s", at.Found(), text)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Lookup follows a dotted key from n as far as there are nodes. exact is false if
// it had to stop above.
func Lookup(n *Node, key string) (at *Node, exact bool) {
	for rest := key; rest != ""; {
		var part string
		if f := n.Field(rest); f != nil { // a channel's name may have a dot in it
			return f, true
		}
		part, rest, _ = strings.Cut(rest, ".")
		next := n.Field(part)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
