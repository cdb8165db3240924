package toml

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Source is the text of one file.
type Source struct {
	Name  string
	Text  string
	lines []int    // offset of each line's first byte, built when first asked for
	shown []string // the lines without secrets, built when first asked for
}

// span is a piece of a source, in bytes.
type span struct{ off, end int }

// lineOf returns the number of the line that holds offset off, from 1.
func (s *Source) lineOf(off int) int {
	if s.lines == nil {
		s.lines = append(s.lines, 0)
		for i := 0; i < len(s.Text); i++ {
			if s.Text[i] == '\n' {
				s.lines = append(s.lines, i+1)
			}
		}
	}
	return sort.SearchInts(s.lines, off+1)
}

// Line returns the text of line n without its end.
func (s *Source) Line(n int) string {
	s.lineOf(0)
	if n < 1 || n > len(s.lines) {
		return ""
	}
	rest := s.Text[s.lines[n-1]:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return strings.TrimSuffix(rest, "\r")
}

// place returns line and column (in characters, from 1) of a span, and its length in
// characters as far as the end of its first line.
func (s *Source) place(sp span) (line, col, length int) {
	off := min(max(sp.off, 0), len(s.Text))
	line = s.lineOf(off)
	text := s.Line(line)
	from := min(off-s.lines[line-1], len(text))
	to := min(max(sp.end-s.lines[line-1], from), len(text))
	col = utf8.RuneCountInString(text[:from]) + 1
	return line, col, max(utf8.RuneCountInString(text[from:to]), 1)
}
