package mapping

import (
	"fmt"
	"strings"
)

// A Template is text with variables in braces, as in {node}/{device}/{channel}. A
// brace that does not enclose a plain name is text, so that JSON can be written
// down as it is: {"v":{value}}.
type Template struct {
	parts []templatePart
}

// templatePart is a variable, or the text between two of them.
type templatePart struct {
	variable bool
	text     string
}

// ParseTemplate takes s apart. Every text is a template.
func ParseTemplate(s string) Template {
	var t Template
	for s != "" {
		from, to := nextVariable(s)
		if from < 0 {
			t.parts = append(t.parts, templatePart{text: s})
			break
		}
		if from > 0 {
			t.parts = append(t.parts, templatePart{text: s[:from]})
		}
		t.parts = append(t.parts, templatePart{variable: true, text: s[from+1 : to-1]})
		s = s[to:]
	}
	return t
}

// nextVariable finds the first {name} in s.
func nextVariable(s string) (from, to int) {
	for from = 0; ; from++ {
		i := strings.IndexByte(s[from:], '{')
		if i < 0 {
			return -1, -1
		}
		from += i
		for to = from + 1; to < len(s) && isNameByte(s[to]); to++ {
		}
		if to > from+1 && to < len(s) && s[to] == '}' {
			return from, to + 1
		}
	}
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// Variables lists the names in braces, in their order.
func (t Template) Variables() []string {
	var names []string
	for _, p := range t.parts {
		if p.variable {
			names = append(names, p.text)
		}
	}
	return names
}

// Expand puts values in place of the variables. One that is not known stays as it
// is; the configuration does not let those through.
func (t Template) Expand(value func(name string) (string, bool)) string {
	var b strings.Builder
	for _, p := range t.parts {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		if v, ok := value(p.text); ok {
			b.WriteString(v)
		} else {
			fmt.Fprintf(&b, "{%s}", p.text)
		}
	}
	return b.String()
}
