package field

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a byte string as it is written in TOML: hexadecimal pairs, and text in
// quotes between them: 'FF 01', '"READ" 0D 0A'.
type Bytes []byte

// UnmarshalText reads it.
func (b *Bytes) UnmarshalText(s []byte) error {
	pattern, err := parsePattern(string(s), false)
	*b = pattern.Bytes
	return err
}

// String returns it in hexadecimal.
func (b Bytes) String() string {
	return strings.ToUpper(fmt.Sprintf("% x", []byte(b)))
}

// Pattern is Bytes with ?? for any byte.
type Pattern struct {
	Bytes []byte
	Any   []bool // of the same length
}

// UnmarshalText reads it.
func (p *Pattern) UnmarshalText(s []byte) (err error) {
	*p, err = parsePattern(string(s), true)
	if err == nil && len(p.Bytes) > 0 && p.Any[0] {
		err = fmt.Errorf("found %q, expected a pattern that begins with a byte, not with ??", s)
	}
	return err
}

// Match reports whether b begins with the pattern.
func (p *Pattern) Match(b []byte) bool {
	if len(b) < len(p.Bytes) {
		return false
	}
	for i, want := range p.Bytes {
		if b[i] != want && !p.Any[i] {
			return false
		}
	}
	return true
}

func parsePattern(s string, wild bool) (p Pattern, err error) {
	for rest := strings.TrimSpace(s); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return Pattern{}, fmt.Errorf("found %q, which has a quote without an end", s)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return Pattern{}, fmt.Errorf("found %q: %w", s, err)
			}
			p.Bytes = append(p.Bytes, text...)
			p.Any = append(p.Any, make([]bool, len(text))...)
			rest = rest[len(quoted):]
			continue
		}
		if len(rest) < 2 {
			return Pattern{}, badBytes(s)
		}
		if rest[:2] == "??" && wild {
			p.Bytes, p.Any = append(p.Bytes, 0), append(p.Any, true)
		} else {
			one, err := hex.DecodeString(rest[:2])
			if err != nil {
				return Pattern{}, badBytes(s)
			}
			p.Bytes, p.Any = append(p.Bytes, one...), append(p.Any, false)
		}
		rest = rest[2:]
	}
	return p, nil
}

func badBytes(s string) error {
	return fmt.Errorf(`found %q, expected bytes such as 42 4D, or text in double quotes`, s)
}
