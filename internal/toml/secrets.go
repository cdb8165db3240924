package toml

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Hidden stands in a text where a secret was taken out.
const Hidden = "…"

// secret finds what should not be in a file and must not get from there into logs and
// browsers: the value of a password, whichever way TOML may write it, and the password in a
// URL. The file may be broken: a text that is not closed is hidden to where it would end, its
// line or the file, and so is a word without quotes. No value and no URL reaches over Hidden,
// so that the same places are found before and after hiding; a URL with that sign in its
// password is none that net/url takes.
var secret = regexp.MustCompile(`(?i)(?:password|passwd|secret|token)["']?[ \t]*=[ \t]*(?:` +
	`"""((?s:[^\\]|\\.)*?)(?:"""|\\?\z)` +
	`|'''((?s:.)*?)(?:'''|\z)` +
	`|"((?:[^"\\\n]|\\.)*)(?:"|\\?(?m:$))` +
	`|'([^'\n]*)(?:'|(?m:$))` +
	`|\[((?:"(?:[^"\\\n]|\\.)*(?:"|\\?(?m:$))|'[^'\n]*(?:'|(?m:$))|[^\]"'])*)(?:\]|\z)` +
	`|([^\s"'{\[#][^\s"'#]*))` +
	`|://[^/@"'\s#…]*?:(…|[^/"\s#…]+)@`)

// Secrets returns where the secrets of a text are, or the marks that stand for them: the
// offsets of begin and end of each, in the order of the text.
func Secrets(text string) (places [][2]int) {
	for _, m := range secret.FindAllStringSubmatchIndex(text, -1) {
		group := 2
		for m[group] < 0 {
			group += 2
		}
		places = append(places, [2]int{m[group], m[group+1]})
	}
	return places
}

// WithoutSecrets hides the secrets of a text and keeps its lines and columns.
func WithoutSecrets(text string) string {
	var b strings.Builder
	at := 0
	for _, p := range Secrets(text) {
		b.WriteString(text[at:p[0]])
		for i, line := range strings.Split(text[p[0]:p[1]], "\n") {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(strings.Repeat("*", utf8.RuneCountInString(line)))
		}
		at = p[1]
	}
	return b.String() + text[at:]
}

// Shown is line n, from 1, as it may be shown: without its end and without secrets, also of
// one that began on a line before.
func (s *Source) Shown(n int) string {
	if s.shown == nil {
		s.shown = strings.Split(WithoutSecrets(s.Text), "\n")
	}
	if n < 1 || n > len(s.shown) {
		return ""
	}
	return strings.TrimSuffix(s.shown[n-1], "\r")
}
