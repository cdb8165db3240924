// Package terminal makes text from outside harmless for a terminal. Devices, clients,
// upstreams and files send bytes that a terminal would execute: an escape sequence can
// clear the screen, rename the window or put text into the answer of a query; a
// direction mark can make a line read as something else. What is escaped here is shown
// as \x1b or \u202e instead.
//
// Everything is a value and nothing waits. Not done here: colours and cursor movements
// of our own, which their writers send past this package, and backslashes, which stay
// as they are, so that paths and JSON can be read and pasted.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Escape returns s as one line that a terminal only shows: also line ends and tabs are
// escaped, which in a table would make rows and columns of their own.
func Escape(s string) string {
	if !strings.ContainsFunc(s, isExecuted) {
		return s
	}
	return string(appendEscaped(nil, []byte(s), isExecuted))
}

// EscapeText is Escape for text of several lines: line ends and tabs stay.
func EscapeText(s string) string {
	if !strings.ContainsFunc(s, isExecutedInText) {
		return s
	}
	return string(appendEscaped(nil, []byte(s), isExecutedInText))
}

// isExecuted reports characters that a terminal does something about, or that change
// how the line around them is read; U+FFFD stands for bytes that are not UTF-8.
func isExecuted(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0: // C0, DEL and C1: ECMA-48, 5.2 and 5.3
		return true
	case r == 0x61c, r == 0x200e, r == 0x200f, // direction marks: Unicode UAX #9, 2
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069,
		r == 0x2028, r == 0x2029: // line and paragraph separator
		return true
	}
	return r == utf8.RuneError
}

func isExecutedInText(r rune) bool { return r != '\n' && r != '\t' && isExecuted(r) }

func appendEscaped(b, s []byte, executed func(rune) bool) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case r == utf8.RuneError: // spelled out by its sender
			b = append(b, s[:n]...)
		case !executed(r):
			b = append(b, s[:n]...)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b
}

// Writer escapes what is written to it and hands it on; line ends and tabs stay. A
// character that is cut between two writes is held until the rest of it comes, or Close.
// One goroutine at a time may use it.
type Writer struct {
	to   io.Writer
	held []byte // the beginning of a character
}

// NewWriter returns a Writer in front of to, which it does not close.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write reports all of p as written unless the writer behind it fails.
func (w *Writer) Write(p []byte) (int, error) {
	all := append(w.held, p...)
	whole := len(all) - incomplete(all)
	out := appendEscaped(nil, all[:whole], isExecutedInText)
	w.held = append([]byte(nil), all[whole:]...)
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what is held. The writer behind it stays open.
func (w *Writer) Close() error {
	out := appendEscaped(nil, w.held, isExecutedInText)
	w.held = nil
	_, err := w.to.Write(out)
	return err
}

// Unwrap returns the writer behind w, for those who escape by themselves.
func (w *Writer) Unwrap() io.Writer { return w.to }

// incomplete returns how many bytes at the end of b are the beginning of a character.
func incomplete(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
