package confd

import (
	"fmt"
	"regexp"
	"strings"
)

// hidden stands where a secret is, between its quotes.
const hidden = "…"

// secret finds what should not be in a file and must not get from there into a browser:
// the text of a password, and the password in a URL.
var secret = regexp.MustCompile(`(?i)(?:password|passwd|secret|token)["']?[ \t]*=[ \t]*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')|://[^/@"'\s]*?:([^/@"'\s]+)@`)

// spot is one secret in a text.
type spot struct {
	from, to int    // of what Hide replaces
	where    string // header, and what stands before it on its line
}

// spots finds the secrets of a text, or the marks that Hide left in their place.
func spots(text string) (all []spot) {
	header, off := "", 0
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); strings.HasPrefix(t, "[") {
			header = secret.ReplaceAllString(t, "") // the same before and after hiding
		}
		before, at := header+"\n", 0
		for _, m := range secret.FindAllStringSubmatchIndex(line, -1) {
			group := 2
			for m[group] < 0 {
				group += 2
			}
			from, to := m[group], m[group+1]
			before += line[at:from]
			all = append(all, spot{off + from, off + to, before})
			before, at = before+hidden, to
		}
		off += len(line)
	}
	return all
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
