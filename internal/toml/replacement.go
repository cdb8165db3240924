package toml

import (
	"reflect"
	"strconv"
	"strings"
)

// replacement writes f under its right name, with a value that fits there.
func (r *Reporter) replacement(f *Node, right string, ts []target) string {
	if f.Kind == KindTable && !f.inline {
		for _, child := range f.Fields {
			return "[" + joinPath(joinPath(f.Parent.Path(), right), QuoteKey(child.Name)) + "]"
		}
		return "[" + joinPath(f.Parent.Path(), right) + "]"
	}
	if r.Hints.Translate != nil {
		if fix, ok := r.Hints.Translate(f, right); ok {
			return fix
		}
	}
	value := f.Raw()
	for _, t := range ts {
		field, has := t.field(right)
		if !has || fits(f, field.typ) {
			continue
		}
		asText := *f
		asText.Kind, asText.Value = KindString, f.Raw()
		value = sample(field.typ)
		if field.example != "" {
			value = field.example
		}
		switch {
		case fits(&asText, field.typ):
			value = strconv.Quote(f.Raw())
		case field.typ == durationType && f.Kind == KindInteger:
			value = strconv.Quote(f.Raw() + "s")
		}
	}
	if len(value) > 60 || strings.Contains(value, "\n") {
		value = "…"
	}
	return right + " = " + value
}

// fits reports whether n can be decoded into a t.
func fits(n *Node, t reflect.Type) bool {
	var scratch Reporter
	copied := n.copyTo(n.Parent) // decode marks what it refuses
	return scratch.decode(copied, reflect.New(t).Elem())
}
