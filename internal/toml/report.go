package toml

import "slices"

// maxProblems bounds what one run collects. Whoever has more of them has one, many
// times over.
const maxProblems = 1000

// Full reports that nothing more is taken.
func (r *Reporter) Full() bool { return len(r.Problems) >= maxProblems }

// Reporter collects problems while a configuration is checked.
type Reporter struct {
	Problems Problems
	Hints    Hints
	Guessing bool // the keys are a guess: what is there is checked, what is missing is not missed
}

// AtValue reports a fault in what n is set to; the caret goes under the value.
func (r *Reporter) AtValue(n *Node, text string, notes ...Note) *Problem {
	return r.add(n, n.val, text, notes)
}

// AtKey reports a fault in the key itself.
func (r *Reporter) AtKey(n *Node, text string, notes ...Note) *Problem {
	return r.add(n, n.key, text, notes)
}

// Add enters a problem about n. A node that did not even parse was reported by
// parse, and gets no second complaint.
func (r *Reporter) add(n *Node, at span, text string, notes []Note) *Problem {
	if n == nil || n.Kind == KindBroken || r.Full() {
		return &Problem{}
	}
	p := Problem{Path: n.Path(), Text: text, Notes: slices.DeleteFunc(notes, func(n Note) bool { return n.Text == "" })}
	p.mark(n.Source, at)
	r.Problems = append(r.Problems, p)
	return &r.Problems[len(r.Problems)-1]
}

// maxQuoted is the length above which a line is not shown: nobody finds the place in it
// by looking.
const maxQuoted = 2000

// mark sets the problem's place, and quotes the line there.
func (p *Problem) mark(src *Source, at span) {
	if src == nil {
		return
	}
	p.File = src.Name
	p.Line, p.Column, p.Length = src.place(at)
	if line := src.Line(p.Line); len(line) <= maxQuoted {
		p.Quotes = []Quote{{Line: p.Line, Text: src.Shown(p.Line), marked: true}}
	}
}

// HideLine leaves out the source line, where the text says it all.
func (p *Problem) HideLine() *Problem {
	p.Quotes = nil
	return p
}

// Warn makes the problem a warning.
func (p *Problem) Warn() *Problem {
	p.Warning = true
	return p
}

// Try is what to type instead.
func Try(text string) Note { return Note{"try", text} }

// Expected is what would have been right.
func Expected(text string) Note { return Note{"expected", text} }

// Defined lists what there is.
func Defined(text string) Note { return Note{"defined", text} }

// Or is a second thing to type, after Try.
func Or(text string) Note { return Note{"or", text} }

// More goes on with the note before it, on a line of its own.
func More(text string) Note { return Note{"", text} }
