package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxProblems bounds what one run collects. Whoever has more of them has one, many
// times over.
const maxProblems = 1000

// full says that nothing more is taken.
func (r *reporter) full() bool { return len(r.problems) >= maxProblems }

// reporter collects problems while a configuration is checked.
type reporter struct {
	problems Problems
	drivers  []string // that there are, for who writes [bme280]
	guessing bool     // the driver is a guess: what is there is checked, what is missing is not missed
}

// atValue reports a fault in what n is set to; the caret goes under the value.
func (r *reporter) atValue(n *node, text string, notes ...Note) *Problem {
	return r.add(n, n.val, text, notes)
}

// atKey reports a fault in the key itself.
func (r *reporter) atKey(n *node, text string, notes ...Note) *Problem {
	return r.add(n, n.key, text, notes)
}

// add enters a problem about n. A node that did not even parse was reported by
// parse, and gets no second complaint.
func (r *reporter) add(n *node, at span, text string, notes []Note) *Problem {
	if n == nil || n.kind == kindBroken || r.full() {
		return &Problem{}
	}
	p := Problem{Path: n.path(), Text: text, Notes: slices.DeleteFunc(notes, func(n Note) bool { return n.Text == "" })}
	p.mark(n.src, at)
	r.problems = append(r.problems, p)
	return &r.problems[len(r.problems)-1]
}

// maxQuoted is the length above which a line is not shown: nobody finds the place in it
// by looking.
const maxQuoted = 2000

// mark sets the problem's place, and quotes the line there.
func (p *Problem) mark(src *source, at span) {
	if src == nil {
		return
	}
	p.File = src.name
	p.Line, p.Column, p.Length = src.place(at)
	if line := src.line(p.Line); len(line) <= maxQuoted {
		p.Quotes = []Quote{{Line: p.Line, Text: withoutSecrets(line), marked: true}}
	}
}

// secretText finds what should not be in the file and must not get from there into
// logs: passwords, also those in urls.
var secretText = regexp.MustCompile(`(?i)(?:password|passwd|secret|token)\s*=\s*("[^"]*"|'[^']*')|://[^/@"'\s]*?:([^/@"'\s]*)@`)

// withoutSecrets hides them, and keeps the columns.
func withoutSecrets(line string) string {
	for _, m := range secretText.FindAllStringSubmatchIndex(line, -1) {
		for group := 2; group < len(m); group += 2 {
			if m[group] >= 0 {
				n := utf8.RuneCountInString(line[m[group]:m[group+1]])
				line = line[:m[group]] + strings.Repeat("*", n) + line[m[group+1]:]
			}
		}
	}
	return line
}

// bare leaves out the source line, where the text says it all.
func (p *Problem) bare() *Problem {
	p.Quotes = nil
	return p
}

// warn makes the problem a warning.
func (p *Problem) warn() *Problem {
	p.Warning = true
	return p
}

func try(text string) Note      { return Note{"try", text} }
func expected(text string) Note { return Note{"expected", text} }
func defined(text string) Note  { return Note{"defined", text} }
