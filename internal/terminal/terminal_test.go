package terminal

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNothingThatATerminalExecutesIsLeft(t *testing.T) {
	for in, want := range map[string]string{
		"21.4 °C":             "21.4 °C",
		`C:\path "q" {"a":1}`: `C:\path "q" {"a":1}`,
		"\x1b[2J\x07":         `\x1b[2J\x07`,
		"a\tb\nc\r":           `a\x09b\x0ac\x0d`,
		"\u009b31m\u0085":     `\x9b31m\x85`,
		"\x9b31m\xff":         `\x9b31m\xff`,
		"\u202efdp.exe":       `\u202efdp.exe`,
		"\u2066x\u2069\u200f": `\u2066x\u2069\u200f`,
		"x\u2028y\x7f":        `x\u2028y\x7f`,
		"\ufffd 数 🌡":          "\ufffd 数 🌡",
		"":                    "",
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := EscapeText("a\tb\n\x1b"); got != "a\tb\n\\x1b" {
		t.Errorf("a text is shown as %q", got)
	}
}

// However the bytes are cut into writes, the terminal gets the same.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("°C \x1b[2J\n\xe2\x80"), uint8(1))
	f.Add([]byte("\xf0\x9f\x8c\xa1\xff\xc2"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := in; len(rest) > 0; {
			n := min(len(rest), int(cut%7)+1)
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("wrote %d of %d, %v", m, n, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := EscapeText(string(in)); out.String() != want {
			t.Errorf("%q in pieces of %d is shown as %q, want %q", in, cut%7+1, &out, want)
		}
		if !utf8.Valid(out.Bytes()) || strings.ContainsFunc(out.String(), func(r rune) bool { return r != utf8.RuneError && isExecutedInText(r) }) {
			t.Errorf("%q is shown as %q", in, &out)
		}
	})
}
