package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// drawScreen shows text in the place of what the terminal shows: from the top, every line
// cleared to its end, the rest of the screen cleared (ECMA-48 8.3.21, 8.3.41, 8.3.39).
func drawScreen(f *os.File, text string) error {
	columns, rows := sizeOf(f)
	text = strings.ReplaceAll(fitted(text, columns, rows), "\n", "\x1b[K\r\n")
	_, err := io.WriteString(f, "\x1b[H"+text+"\x1b[K\x1b[J")
	return err
}

// sizeOf is the size of a terminal; that of a VT100 where it does not report one.
func sizeOf(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

func terminalSize() (columns, rows int) { return sizeOf(os.Stdout) }

// fitted is as much of text as a terminal of that size can show without wrapping and
// without scrolling: what comes first matters most, so lines are cut at the end, and of
// too many the last are left out and counted.
func fitted(text string, columns, rows int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > rows {
		left := len(lines) - rows + 1
		lines = append(lines[:rows-1], fmt.Sprintf("… %d more lines; make the window higher", left))
	}
	for i, l := range lines {
		if utf8.RuneCountInString(l) <= columns {
			continue
		}
		r := []rune(l)
		lines[i] = string(r[:max(columns-1, 0)]) + "…"
	}
	return strings.Join(lines, "\n")
}

// wrapped is text whose lines go on below, a little to the right, where the terminal has no more
// columns: at a space if there is one, so that no word is torn.
func wrapped(text string, columns int) string {
	const indent = "    "
	if columns <= 2*len(indent) {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		r := []rune(strings.TrimRight(line, "\n"))
		for len(r) > columns {
			end := columns
			for i := columns; i > len(indent); i-- {
				if r[i] == ' ' {
					end = i
					break
				}
			}
			b.WriteString(strings.TrimRight(string(r[:end]), " ") + "\n")
			r = append([]rune(indent), []rune(strings.TrimLeft(string(r[end:]), " "))...)
		}
		b.WriteString(string(r) + "\n")
	}
	return b.String()
}
