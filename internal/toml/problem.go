package toml

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Problem is one fault or warning: the place first, what was found, what was
// expected, what to type.
type Problem struct {
	Warning bool
	File    string
	Line    int // from 1; 0 when it is about a file as a whole
	Column  int // in characters, from 1
	Length  int // in characters, of what the caret marks
	Path    string
	Text    string
	Quotes  []Quote // source lines that help to see it
	Notes   []Note
}

// Quote is a line of a file with a mark under it or a remark beside it.
type Quote struct {
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Remark string `json:"remark,omitempty"`
	marked bool   // the caret goes under this one
}

// Note is a labelled line under a problem: defined, expected, try.
type Note struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

// Problems are all that was found in one run, sorted by place.
type Problems []Problem

// Errors reports whether any of them is more than a warning.
func (ps Problems) Errors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// Counts writes how many errors and warnings there are, for people.
func (ps Problems) Counts() string {
	warnings := 0
	for _, p := range ps {
		if p.Warning {
			warnings++
		}
	}
	errs := Plural(len(ps)-warnings, "error")
	if len(ps) >= maxProblems {
		errs = "more than " + errs
	}
	switch {
	case warnings == 0:
		return errs
	case warnings == len(ps):
		return Plural(warnings, "warning")
	}
	return errs + ", " + Plural(warnings, "warning")
}

// Plural writes a count with its noun: 1 error, 2 errors.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Error makes Problems usable as an error; it shows the first line only.
func (ps Problems) Error() string {
	var first string
	for _, p := range ps {
		if !p.Warning {
			first = p.Headline()
			break
		}
	}
	return first + " (" + ps.Counts() + ")"
}

// Sort puts the problems in the order of files and places.
func (ps Problems) Sort(files []string) {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	rankOf := func(file string) int {
		if r, ok := rank[file]; ok {
			return r
		}
		return len(files) // a model
	}
	sort.SliceStable(ps, func(i, k int) bool {
		a, b := &ps[i], &ps[k]
		return cmp.Or(
			cmp.Compare(rankOf(a.File), rankOf(b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		) < 0
	})
}

// Colours of a terminal, as SGR sequences.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	green  = "\x1b[32m"
	normal = "\x1b[0m"
)

// maxShown bounds what one run prints: the first faults of a broken template would
// otherwise bury their cause under 5,000 repetitions.
const maxShown = 100

// WriteText writes one block per problem and a last line with their number, which a single
// warning of one line does without. What becomes of the file then, the caller knows.
func (ps Problems) WriteText(w io.Writer, colour bool) {
	paint := func(sgr, s string) string {
		if !colour {
			return s
		}
		return sgr + s + normal
	}
	if len(ps) == 1 && ps[0].Warning && len(ps[0].Quotes)+len(ps[0].Notes) == 0 {
		ps[0].writeText(w, paint)
		return
	}
	for i, p := range ps {
		if i == maxShown {
			fmt.Fprintf(w, "… and %d more\n\n", len(ps)-i)
			break
		}
		p.writeText(w, paint)
		fmt.Fprintln(w)
	}
	switch {
	case ps.Errors():
		fmt.Fprintf(w, "%s.\n", paint(red, ps.Counts()))
	case len(ps) > 0:
		fmt.Fprintf(w, "%s.\n", paint(yellow, ps.Counts()))
	}
}

// Headline is the problem in one line: file, place, path, text.
func (p *Problem) Headline() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

func (p *Problem) writeText(w io.Writer, paint func(sgr, s string) string) {
	head := paint(bold, p.Headline())
	if p.Warning {
		head = paint(yellow, "warning") + " " + head
	}
	fmt.Fprintln(w, head)
	p.writeQuotes(w, paint)
	for _, n := range p.Notes {
		text := n.Text
		if n.Label == "try" {
			text = paint(green, text)
		}
		fmt.Fprintf(w, "   %-9s %s\n", n.Label, text)
	}
}

const (
	maxQuote   = 160 // characters of one source line that are shown
	remarkedAt = 48  // where a remark beside a line begins
)

func (p *Problem) writeQuotes(w io.Writer, paint func(sgr, s string) string) {
	for _, q := range p.Quotes {
		text, skipped := window(q.Text, p.Column, p.Length)
		switch {
		case q.Remark != "":
			fmt.Fprintf(w, "%5d | %s %s\n", q.Line, pad(clip(text, remarkedAt-1), remarkedAt-1), q.Remark)
		case q.marked:
			fmt.Fprintf(w, "%5d | %s\n", q.Line, text)
			fmt.Fprintf(w, "      | %s%s\n", caretIndent(text, p.Column-1-skipped), paint(red, strings.Repeat("^", max(min(p.Length, maxQuote/2), 1))))
		default:
			fmt.Fprintf(w, "%5d | %s\n", q.Line, text)
		}
	}
}

// window cuts a very long line to the part around the mark, and returns how many
// characters went missing on the left.
func window(line string, col, length int) (text string, skipped int) {
	runes := []rune(line)
	for i, r := range runes {
		if r < ' ' && r != '\t' || r == 0x7f { // a file must not steer the terminal
			runes[i] = '·'
		}
	}
	if len(runes) <= maxQuote {
		return string(runes), 0
	}
	from := max(0, min(col-1-maxQuote/4, len(runes)-maxQuote))
	if col-1+length <= maxQuote {
		from = 0
	}
	return string(runes[from:min(from+maxQuote, len(runes))]), from
}

// clip shortens a quoted line that shares its row with a remark, if it can behind a
// comma.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	s = string([]rune(s)[:n-4])
	if i := strings.LastIndex(s, ", "); i > n/2 {
		s = s[:i+1]
	}
	return strings.TrimRight(s, " ") + " ..."
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0))
}

// caretIndent is as wide as the first n characters of line, with its tabs.
func caretIndent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n <= 0 {
			break
		}
		n--
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString(strings.Repeat(" ", max(n, 0)))
	return b.String()
}

// MarshalJSON writes a list, also when it is empty.
func (ps Problems) MarshalJSON() ([]byte, error) { return json.Marshal(append([]Problem{}, ps...)) }

// MarshalJSON writes what an editor needs.
func (p Problem) MarshalJSON() ([]byte, error) {
	severity := "error"
	if p.Warning {
		severity = "warning"
	}
	out := struct {
		Severity  string  `json:"severity"`
		File      string  `json:"file"`
		Line      int     `json:"line,omitempty"`
		Column    int     `json:"column,omitempty"`
		EndColumn int     `json:"endColumn,omitempty"`
		Path      string  `json:"path,omitempty"`
		Text      string  `json:"text"`
		Quotes    []Quote `json:"lines,omitempty"`
		Notes     []Note  `json:"notes,omitempty"`
	}{severity, p.File, p.Line, p.Column, 0, p.Path, p.Text, p.Quotes, p.Notes}
	if p.Line > 0 {
		out.EndColumn = p.Column + p.Length
	}
	return json.Marshal(out)
}
