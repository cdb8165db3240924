package confd

import (
	"fmt"
	"strings"

	"sensorgate/internal/toml"
)

// hidden stands where a secret is, between its quotes.
const hidden = toml.Hidden

// spot is one secret in a text.
type spot struct {
	from, to int    // of what Hide replaces
	where    string // header, and what stands before it on its line, as they are shown
}

// spots finds the secrets of a text, or the marks that Hide left in their place.
func spots(text string) (all []spot) {
	header, line, at := "", "", 0
	for _, place := range toml.Secrets(text) {
		shown := line + text[at:place[0]]
		header, line = lastHeader(header, shown), shown[strings.LastIndexByte(shown, '\n')+1:]
		all = append(all, spot{place[0], place[1], header + "\n" + line})
		line, at = line+hidden, place[1]
	}
	return all
}

// lastHeader is the last header of a table in a piece of text, or the one before it.
func lastHeader(before, text string) string {
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); strings.HasPrefix(t, "[") {
			before = t
		}
	}
	return before
}

// Hide replaces the secrets of a text. There should be none: secrets are in files of their
// own. It errs on the side of hiding too much.
func Hide(text string) string {
	var b strings.Builder
	at := 0
	for _, s := range spots(text) {
		b.WriteString(text[at:s.from] + hidden)
		at = s.to
	}
	return b.String() + text[at:]
}

// Unhide puts the secrets of old back where text has their marks. Each must stand at the
// place where it was, behind the same words: a secret is never moved to another place. An
// error is ErrHidden with the line.
func Unhide(text, old string) (string, error) {
	have, count := map[string][]string{}, map[string]int{}
	for _, s := range spots(old) {
		have[s.where] = append(have[s.where], old[s.from:s.to])
	}
	all := spots(text)
	for _, s := range all {
		count[s.where]++
	}
	var b strings.Builder
	at, seen := 0, map[string]int{}
	for _, s := range all {
		n := seen[s.where]
		seen[s.where]++
		if text[s.from:s.to] != hidden {
			continue // a new one
		}
		of := have[s.where]
		if len(of) == 0 || len(of) != count[s.where] {
			return "", fmt.Errorf("line %d: %w", 1+strings.Count(text[:s.from], "\n"), ErrHidden)
		}
		b.WriteString(text[at:s.from] + of[n])
		at = s.to
	}
	return b.String() + text[at:], nil
}
