package toml

import (
	"fmt"
	"reflect"
	"strings"
)

// required reports the keys that must be there and are not.
func (r *Reporter) required(n *Node, ts []target, meant map[string]bool) bool {
	ok := true
	for _, t := range ts {
		for _, f := range t.fields {
			if f.required && !r.Guessing && !meant[f.key] && n.Field(f.key) == nil {
				r.missing(n, &f)
				ok = false
			}
		}
	}
	return ok
}

func (r *Reporter) missing(n *Node, f *optionField) {
	var notes []Note
	if f.doc != "" {
		notes = append(notes, Expected(f.key+": "+f.doc))
	}
	value := f.example
	if value == "" {
		value = sample(f.typ)
	}
	r.AtKey(n, f.key+" is missing", append(notes, Try(f.key+" = "+value))...)
}

// sample is a value of the type, for a suggestion.
func sample(t reflect.Type) string {
	switch {
	case t == nil:
		return `"…"`
	case t == durationType:
		return `"5s"`
	case reflect.PointerTo(t).Implements(textType):
		return `"…"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return sample(t.Elem())
	case reflect.Bool:
		return "true"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "1"
	case reflect.Float32, reflect.Float64:
		return "1.0"
	case reflect.Slice, reflect.Array:
		return "[ … ]"
	case reflect.Struct, reflect.Map:
		return "{ … }"
	}
	return `"…"`
}

// maxListed is how many of the keys that are possible a message lists.
const maxListed = 12

// unknownKey reports f and returns the key that it was probably meant to be, or "".
func (r *Reporter) unknownKey(f *Node, ts []target) string {
	if r.Full() {
		return ""
	}
	p := r.AtKey(f, fmt.Sprintf("unknown key %q", f.Name), Expected(choices(ts)))
	p.Path = f.Parent.Path()
	right := r.Suggest(f.Name, keysOf(ts))
	if r.Hints.Unknown != nil {
		if instead := r.Hints.Unknown(f); instead != "" {
			p.Notes = append(p.Notes, Try(instead))
			return ""
		}
	}
	if right != "" {
		p.Notes = append(p.Notes, Try(r.replacement(f, right, ts)))
	}
	return right
}

// choices lists the keys of the targets. Of those with a choice tag exactly one is
// to be given, and they come first.
func choices(ts []target) string {
	var oneOf, others []string
	for _, key := range keysOf(ts) {
		if isChoice(ts, key) {
			oneOf = append(oneOf, key)
		} else {
			others = append(others, key)
		}
	}
	if len(oneOf) == 0 {
		return ListKeys(others)
	}
	more := ""
	if len(others) > maxListed-len(oneOf) {
		others, more = others[:maxListed-len(oneOf)], ", …"
	}
	return "one of " + strings.Join(oneOf, ", ") + "; and " + strings.Join(others, ", ") + more
}

func isChoice(ts []target, key string) bool {
	for _, t := range ts {
		if f, ok := t.field(key); ok && f.choice {
			return true
		}
	}
	return false
}

// ListKeys writes what is possible: one of a, b, c. Long lists are cut.
func ListKeys(valid []string) string {
	if len(valid) == 0 {
		return "no keys here"
	}
	if len(valid) > maxListed {
		return "one of " + strings.Join(valid[:maxListed], ", ") + ", …"
	}
	return "one of " + strings.Join(valid, ", ")
}
