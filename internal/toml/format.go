package toml

import (
	"strings"
	"unicode/utf8"
)

// commentColumn is where comments behind values begin, if there is room.
const commentColumn = 48

// statement is one key = value outside of braces and brackets.
type statement struct{ key, val span }

// Format puts a file into the shape that our examples have: equal signs of a block
// below each other, comments behind values in one column, never two empty lines. It
// changes spaces only, none of them in a value. Of a file that does not parse it
// returns the problems.
func Format(name, text string) (string, Problems) {
	src := &Source{Name: name, Text: text}
	var r Reporter
	if _, ok := r.Parse(src); !ok || len(r.Problems) > 0 {
		return "", r.Problems
	}
	src.lineOf(0) // finds the lines
	f := formatter{src: src, stmts: map[int]statement{}}
	for _, st := range scan(src).statements {
		f.stmts[src.lineOf(st.key.off)] = st
	}
	return f.format(), nil
}

type formatter struct {
	src   *Source
	stmts map[int]statement // by the line they begin in
	out   []string
	block []formatLine // assignments whose equal signs are to be aligned
}

// formatLine is a key = value # comment on one line.
type formatLine struct{ key, value, comment string }

func (f *formatter) format() string {
	for n := 1; n <= len(f.src.lines); n++ {
		line := f.src.Line(n)
		st, assigns := f.stmts[n]
		switch {
		case assigns && f.src.lineOf(max(st.val.end-1, st.val.off)) == n:
			f.block = append(f.block, f.assignment(st, line, n))
			continue
		case assigns: // a value over several lines stays as it is, but for its first
			f.flush()
			last := f.src.lineOf(st.val.end - 1)
			f.out = append(f.out, f.keyText(st)+" = "+f.src.Text[st.val.off:f.lineEnd(n)])
			for n++; n <= last; n++ {
				f.out = append(f.out, f.src.Line(n))
			}
			n--
			continue
		}
		f.flush()
		f.other(strings.Trim(line, " \t"))
	}
	f.flush()
	for len(f.out) > 0 && f.out[len(f.out)-1] == "" {
		f.out = f.out[:len(f.out)-1]
	}
	if len(f.out) == 0 {
		return ""
	}
	return strings.Join(f.out, "\n") + "\n"
}

// lineEnd is the offset behind line n, without its end.
func (f *formatter) lineEnd(n int) int { return f.src.lines[n-1] + len(f.src.Line(n)) }

func (f *formatter) keyText(st statement) string { return f.src.Text[st.key.off:st.key.end] }

func (f *formatter) assignment(st statement, line string, n int) formatLine {
	rest := f.src.Text[st.val.end:f.lineEnd(n)]
	return formatLine{
		key:     f.keyText(st),
		value:   f.src.Text[st.val.off:st.val.end],
		comment: strings.Trim(rest, " \t"),
	}
}

// other takes over a line that assigns nothing: empty, a comment or a header.
func (f *formatter) other(line string) {
	if line == "" && (len(f.out) == 0 || f.out[len(f.out)-1] == "") {
		return
	}
	if strings.HasPrefix(line, "[") {
		if i := strings.LastIndex(line, "]"); i >= 0 {
			if head, comment, ok := strings.Cut(line, " #"); ok && strings.HasSuffix(strings.TrimRight(head, " \t"), "]") {
				line = withComment(strings.TrimRight(head, " \t"), "#"+comment)
			}
		}
	}
	f.out = append(f.out, line)
}

// flush writes the block of assignments that has ended.
func (f *formatter) flush() {
	width := 0
	for _, l := range f.block {
		width = max(width, utf8.RuneCountInString(l.key))
	}
	for _, l := range f.block {
		f.out = append(f.out, withComment(pad(l.key, width)+" = "+l.value, l.comment))
	}
	f.block = f.block[:0]
}

func withComment(text, comment string) string {
	if comment == "" {
		return text
	}
	return pad(text, commentColumn-1) + " " + comment
}
