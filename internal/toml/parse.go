package toml

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	burntsushi "github.com/BurntSushi/toml"
)

// maxRepairs is how many broken lines of one file are reported in one run.
const maxRepairs = 20

// Parse reads one file. The library stops at the first fault; so that people see
// all of them in one run, the faulty line is replaced and the rest is read again.
// ok is false when no use can be made of what was read.
func (r *Reporter) Parse(src *Source) (root *Node, ok bool) {
	if len(src.Text) > MaxFileSize {
		r.whole(src.Name, fmt.Sprintf("the file has %d MiB, more than any configuration needs (limit %d MiB)", len(src.Text)>>20, MaxFileSize>>20))
		return nil, false
	}
	text := *src
	broken := map[int]bool{}
	for range maxRepairs {
		s := scan(&text)
		readable := text.Text
		if s.stop != nil {
			readable = upToLineEnd(readable, s.stop.at)
		}
		var data map[string]any
		var err error
		if s.stop == nil || s.stop.reason == "" { // else the library could not take it
			err = decodeTOML(readable, &data)
		}
		if err == nil && s.stop == nil {
			attach(s.root, data, src, broken)
			return s.root, true
		}
		line, value := r.syntax(src, s, err)
		// What opens a bracket or a long text does not end with its line.
		if len(s.twice) > 0 || broken[line] || strings.ContainsAny(value, "[{") || strings.Contains(value, `"""`) || strings.Contains(value, "'''") || !text.repair(line) {
			return nil, false
		}
		broken[line] = true
	}
	return nil, false
}

// decodeTOML is burntsushi.Decode with its rare panics as errors: the loader must live.
func decodeTOML(text string, data *map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read: %v", r)
		}
	}()
	_, err = burntsushi.Decode(text, data)
	return err
}

// whole reports a fault of a file as a whole.
func (r *Reporter) whole(file, text string, notes ...Note) {
	r.Problems = append(r.Problems, Problem{File: file, Text: text, Notes: notes})
}

func upToLineEnd(text string, at int) string {
	if i := strings.IndexByte(text[min(at, len(text)):], '\n'); i >= 0 {
		return text[:at+i]
	}
	return text
}

var yamlLine = regexp.MustCompile(`^\s*(- )?[A-Za-z0-9_]+:(\s|$)`)

var assignment = regexp.MustCompile(`^[ \t]*[A-Za-z0-9_-]+[ \t]*=.`)

// repair puts a harmless value of the same length in place of what line n assigns,
// so that the rest of the file keeps its places. It refuses when the line is
// anything but an assignment: then what follows would be misread.
func (s *Source) repair(n int) bool {
	line := s.Line(n)
	m := assignment.FindString(line)
	if m == "" || len(line)-len(m) < 0 {
		return false
	}
	fixed := m[:len(m)-1] + "0" + strings.Repeat(" ", len(line)-len(m))
	off := s.lines[n-1]
	s.Text = s.Text[:off] + fixed + s.Text[off+len(line):]
	return true
}

// attach hangs the library's values on the nodes that scan found.
func attach(n *Node, v any, src *Source, broken map[int]bool) {
	n.Source = src
	if len(broken) > 0 && n.Kind != KindTable && n.Kind != KindArray && broken[src.lineOf(n.val.off)] {
		n.Kind = KindBroken
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, f := range n.Fields {
			attach(f, v[f.Name], src, broken)
		}
	case []any:
		for i, item := range n.Items {
			if i < len(v) {
				attach(item, v[i], src, broken)
			}
		}
	case []map[string]any:
		for i, item := range n.Items {
			if i < len(v) {
				attach(item, v[i], src, broken)
			}
		}
	case nil:
	default:
		n.Value, n.Kind = v, scalarKind(v)
	}
}

func scalarKind(v any) kind {
	switch v.(type) {
	case string:
		return KindString
	case int64:
		return KindInteger
	case float64:
		return KindFloat
	case bool:
		return KindBool
	}
	return kindTime
}

// syntax reports why the library or the scanner stopped; it returns the line, and the
// Value that is assigned there.
func (r *Reporter) syntax(src *Source, s *scanner, err error) (line int, value string) {
	if len(s.twice) > 0 && (err == nil || strings.Contains(err.Error(), "already")) {
		return r.duplicates(src, s.twice), ""
	}
	var pe burntsushi.ParseError
	at, message := span{}, "cannot be read"
	switch {
	case s.stop != nil && s.stop.reason != "":
		at, message = span{s.stop.at, s.stop.at + 1}, s.stop.reason
	case errors.As(err, &pe):
		from := min(max(pe.Position.Start, 0), len(src.Text)) // the library says -1 for the first byte
		at, message = span{from, from + max(pe.Position.Len, 1)}, pe.Message
	case s.stop != nil:
		at, message = span{s.stop.at, s.stop.at + 1}, "not a key, a value or the end of a line"
	}
	p := Problem{}
	p.mark(src, at)
	var key string
	key, value = splitAssignment(src.Line(p.Line))
	p.Text, p.Notes = explainSyntax(message, key, value)
	if key == "" && yamlLine.MatchString(src.Line(p.Line)) {
		p.Text, p.Notes = "found a colon, expected key = value", []Note{{"note", "this is TOML, not YAML: tables are [device.NAME], values are key = \"value\""}}
	}
	if at.off < len(src.Text) && src.Text[at.off] >= 0x80 && key == "" {
		p.Text, p.Notes = `a key with letters beyond A-Z a-z 0-9 _ - stands in quotes`, nil
	}
	if key != "" && value != "" && (len(p.Notes) > 0 || strings.ContainsAny(value[:1], "[{")) {
		// The whole value is at fault, not the character at which the library gave up.
		off := src.lines[p.Line-1] + strings.Index(src.Line(p.Line), value)
		p.mark(src, span{off, off + len(value)})
	}
	r.Problems = append(r.Problems, p)
	return p.Line, value
}

func (r *Reporter) duplicates(src *Source, twice []duplicate) (line int) {
	for _, d := range twice {
		if r.Full() {
			break
		}
		p := Problem{Path: d.first.Path()}
		p.mark(src, d.again)
		p.Text = fmt.Sprintf("stands here a second time, first in line %d", src.lineOf(d.first.key.off))
		r.Problems = append(r.Problems, p)
		line = p.Line
	}
	return line
}

// splitAssignment takes `key = value # comment` apart, for suggestions.
func splitAssignment(line string) (key, value string) {
	before, after, ok := strings.Cut(line, "=")
	key = strings.TrimSpace(before)
	if !ok || !isBareKey(key) {
		return "", ""
	}
	if i := strings.Index(after, " #"); i >= 0 {
		after = after[:i]
	}
	return key, strings.TrimSpace(after)
}

// explainSyntax puts into our words what the library writes.
func explainSyntax(message, key, value string) (text string, notes []Note) {
	has := func(s string) bool { return strings.Contains(message, s) }
	first := byte(0)
	if value != "" {
		first = value[0]
	}
	quoted := first == '"' || first == '\''
	bracket := first == '[' || first == '{'
	switch {
	case has("control characters"):
		return "a control character, which a text file has no use for", []Note{Try("save it as plain UTF-8 text")}
	case has("UTF-16") || has("NULL bytes"):
		return "the file is not UTF-8 text", []Note{Try("save it as UTF-8")}
	case has("invalid UTF-8"):
		return "a byte here is not UTF-8", []Note{Try("save the file as UTF-8")}
	case has("key separator") || has("expected '.' or '='"):
		return "found a word without = behind it, expected key = value", nil
	case has("key name appears blank"):
		return "found = without a key before it", nil
	case has("invalid escape"):
		return `a \ in "…" begins an escape, and this is not one`, []Note{Try(key + " = '" + strings.Trim(value, `"'`) + "'   (single quotes take everything as it is)")}
	case quoted && (has("unexpected EOF") || has("cannot contain newlines")):
		return "the text has no closing quote", []Note{Try(key + " = " + value + string(first))}
	case bracket && (has("array terminator") || has("end of file") || has("EOF")):
		return "the bracket that opens here is not closed", nil
	case key != "" && (has("unexpected EOF; expected value") || value == ""):
		return key + " has no value", nil
	case has("array terminator") || has("end of file") || has("unexpected EOF"):
		return "the file ends before a bracket or quote is closed", nil
	case has("table name"):
		return "expected [ name ] with a closing ]", nil
	case key != "" && !quoted && !bracket:
		return explainBareWord(key, value)
	case has("to end with a newline"):
		return "found more behind the value, expected the end of the line", nil
	}
	return soften(message), nil
}

var switchWords = map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false", "true": "true", "false": "false"}

func explainBareWord(key, value string) (string, []Note) {
	if strings.Trim(value, "0123456789._+-") == "" {
		return "found " + Shorten(value, 60) + ", which is not a number", []Note{Try(fmt.Sprintf("%s = %q if it is meant as a text", key, value))}
	}
	notes := []Note{Try(fmt.Sprintf("%s = %q", key, value))}
	if b, ok := switchWords[strings.ToLower(value)]; ok {
		notes = append(notes, Note{"or", key + " = " + b})
	}
	return "found " + Shorten(value, 60) + " without quotes; text and quantities stand in quotes", notes
}

// soften brings a message of the library, which we have no better words for, into
// our tone: lower case, no "invalid".
func soften(message string) string {
	message = strings.TrimSuffix(message, ".")
	for _, word := range []string{"Invalid ", "invalid "} {
		message = strings.ReplaceAll(message, word, "not a possible ")
	}
	runes := []rune(message)
	if len(runes) > 1 && unicode.IsLower(runes[1]) {
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}

// unquoteKey takes a key out of its double quotes.
func unquoteKey(raw string) string {
	if !strings.Contains(raw, `\`) && len(raw) >= 2 {
		return raw[1 : len(raw)-1]
	}
	var k struct{ K string }
	if _, err := burntsushi.Decode("K = "+raw, &k); err != nil {
		return raw // the library will say why
	}
	return k.K
}
