package config

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// source is the text of one file.
type source struct {
	name  string
	text  string
	lines []int // offset of each line's first byte, built when first asked for
}

// span is a piece of a source, in bytes.
type span struct{ off, end int }

// lineOf gives the number of the line that holds offset off, from 1.
func (s *source) lineOf(off int) int {
	if s.lines == nil {
		s.lines = append(s.lines, 0)
		for i := 0; i < len(s.text); i++ {
			if s.text[i] == '\n' {
				s.lines = append(s.lines, i+1)
			}
		}
	}
	return sort.SearchInts(s.lines, off+1)
}

// line gives the text of line n without its end.
func (s *source) line(n int) string {
	s.lineOf(0)
	if n < 1 || n > len(s.lines) {
		return ""
	}
	rest := s.text[s.lines[n-1]:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return strings.TrimSuffix(rest, "\r")
}

// place gives line and column (in characters, from 1) of a span, and its length in
// characters as far as the end of its first line.
func (s *source) place(sp span) (line, col, length int) {
	off := min(max(sp.off, 0), len(s.text))
	line = s.lineOf(off)
	text := s.line(line)
	from := min(off-s.lines[line-1], len(text))
	to := min(max(sp.end-s.lines[line-1], from), len(text))
	col = utf8.RuneCountInString(text[:from]) + 1
	return line, col, max(utf8.RuneCountInString(text[from:to]), 1)
}
