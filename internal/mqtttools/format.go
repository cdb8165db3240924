package mqtttools

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sensorgate/internal/terminal"
)

// The format of sub -F is that of mosquitto_sub: % begins a field of the message,
// with - or 0, width and precision as in printf; @ begins a part of the time, as in
// strftime; \n, \t and the like are what they are in C. Fields of MQTT 5 are empty with
// the older versions.

const (
	messageFields = "%ACDEFIJPRSUXjlmpqrtx"
	timeFields    = "@ABFHMNSTYZabdejmsyz"
	escapes       = `\nt0aerv`
)

// timeLayouts are the strftime fields that a Go layout can say.
var timeLayouts = map[byte]string{
	'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan", 'F': "2006-01-02", 'H': "15", 'M': "04", 'S': "05",
	'T': "15:04:05", 'Y': "2006", 'Z': "MST", 'd': "02", 'e': "_2", 'j': "002", 'm': "01", 'y': "06", 'z': "-0700",
}

var escaped = map[byte]byte{'\\': '\\', 'n': '\n', 't': '\t', '0': 0, 'a': '\a', 'e': 0x1b, 'r': '\r', 'v': '\v'}

// checkFormat reports what no message could be printed by.
func checkFormat(format string) error {
	for i := 0; i < len(format); i++ {
		begin, valid := format[i], ""
		switch begin {
		case '%':
			_, i = parseField(format, i+1)
			valid = messageFields
		case '@':
			i++
			valid = timeFields
		case '\\':
			i++
			valid = escapes
		default:
			continue
		}
		if i >= len(format) || !strings.Contains(valid, format[i:i+1]) {
			return fmt.Errorf("-F: %c at the end of %q is followed by none of %s", begin, format[:min(i+1, len(format))], valid)
		}
	}
	return nil
}

// field is what may stand between % and its letter.
type field struct {
	left, zero       bool
	width, precision int // precision -1: none
}

// maxWidth keeps a typing mistake from asking for gigabytes of blanks.
const maxWidth = 10000

// parseField reads flags, width and precision from format[i:]; next is at the letter.
func parseField(format string, i int) (f field, next int) {
	f.precision = -1
	for ; i < len(format) && (format[i] == '-' || format[i] == '0'); i++ {
		f.left = f.left || format[i] == '-'
		f.zero = f.zero || format[i] == '0'
	}
	f.width, i = parseNumber(format, i)
	if i < len(format) && format[i] == '.' {
		f.precision, i = parseNumber(format, i+1)
	}
	return f, i
}

func parseNumber(s string, i int) (n, next int) {
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), maxWidth)
	}
	return n, i
}

// printer writes messages as the flags of Sub and Request want them.
type printer struct {
	// Terminal is set by whoever runs the tool when the output is a terminal: topics and
	// payloads come from strangers and are escaped then. A format of the user's own is not.
	Terminal bool

	// Size is how many columns and rows the terminal has, for --watch; nil: not known.
	Size func() (columns, rows int)

	verbose, pretty bool
	format          string
}

// append appends m as it is printed, without the line end.
func (p *printer) append(b []byte, m *message, now time.Time) []byte {
	switch {
	case p.format != "":
		return formatMessage(b, p.format, m, now, p.Terminal, p.pretty)
	case p.verbose:
		b = append(append(b, p.shown(m.topic)...), ' ')
	}
	if p.Terminal {
		return append(b, p.shown(string(m.payload))...)
	}
	return append(b, m.payload...)
}

func (p *printer) shown(s string) string {
	if p.Terminal {
		return terminal.EscapeText(s)
	}
	return s
}

// formatMessage appends m as format says; checkFormat has accepted it. escape makes what
// comes from the message harmless for a terminal.
func formatMessage(b []byte, format string, m *message, now time.Time, escape, pretty bool) []byte {
	for i := 0; i < len(format); i++ {
		switch c := format[i]; c {
		case '%':
			var f field
			f, i = parseField(format, i+1)
			text := messageField(format[i], m, now, pretty)
			if escape {
				text = terminal.EscapeText(text)
			}
			b = f.append(b, text)
		case '@':
			i++
			b = append(b, timeField(format[i], now)...)
		case '\\':
			i++
			b = append(b, escaped[format[i]])
		default:
			b = append(b, c)
		}
	}
	return b
}

func (f field) append(b []byte, s string) []byte {
	if f.precision >= 0 && len(s) > f.precision {
		s = s[:f.precision]
	}
	fill := max(f.width-len([]rune(s)), 0)
	switch {
	case f.left:
		return append(append(b, s...), strings.Repeat(" ", fill)...)
	case f.zero:
		return append(append(b, strings.Repeat("0", fill)...), s...)
	}
	return append(append(b, strings.Repeat(" ", fill)...), s...)
}

func messageField(letter byte, m *message, now time.Time, pretty bool) string {
	switch letter {
	case '%':
		return "%"
	case 't':
		return m.topic
	case 'p':
		return string(m.payload)
	case 'x':
		return hex.EncodeToString(m.payload)
	case 'X':
		return strings.ToUpper(hex.EncodeToString(m.payload))
	case 'l':
		return strconv.Itoa(len(m.payload))
	case 'q':
		return strconv.Itoa(int(m.qos))
	case 'r':
		return map[bool]string{true: "1", false: "0"}[m.retain]
	case 'm':
		return strconv.Itoa(int(m.id))
	case 'I':
		return now.Format("2006-01-02T15:04:05-0700")
	case 'U':
		return fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond())
	case 'j':
		return messageJSON(m, now, false, pretty)
	case 'J':
		return messageJSON(m, now, true, pretty)
	}
	return m.props.field(letter)
}

// field is a property as %A, %C and so on print it; nothing where it is not there.
func (p *properties) field(letter byte) string {
	if p == nil {
		return ""
	}
	switch letter {
	case 'A':
		return orNothing(p.alias)
	case 'C':
		return p.contentType
	case 'D':
		return string(p.correlation)
	case 'E':
		return orNothing(p.expiry)
	case 'F':
		return orNothing(p.format)
	case 'P':
		texts := make([]string, len(p.user))
		for i, u := range p.user {
			texts[i] = u.key + ":" + u.value
		}
		return strings.Join(texts, " ")
	case 'R':
		return p.responseTopic
	case 'S':
		return orNothing(p.subscriptionID)
	}
	return ""
}

func orNothing[T any](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}

// json is the properties as %j prints them, nil for none.
func (p *properties) json() any {
	if p == nil || reflect.ValueOf(*p).IsZero() {
		return nil
	}
	out := propertiesJSON{Format: p.format, Expiry: p.expiry, ContentType: p.contentType, ResponseTopic: p.responseTopic,
		Correlation: string(p.correlation), SubscriptionID: p.subscriptionID, Alias: p.alias}
	for _, u := range p.user {
		if out.User == nil {
			out.User = map[string]string{}
		}
		out.User[u.key] = u.value
	}
	return out
}

type propertiesJSON struct {
	Format         *byte             `json:"payload-format-indicator,omitempty"`
	Expiry         *uint32           `json:"message-expiry-interval,omitempty"`
	ContentType    string            `json:"content-type,omitempty"`
	ResponseTopic  string            `json:"response-topic,omitempty"`
	Correlation    string            `json:"correlation-data,omitempty"`
	SubscriptionID *int              `json:"subscription-identifier,omitempty"`
	Alias          *uint16           `json:"topic-alias,omitempty"`
	User           map[string]string `json:"user-properties,omitempty"`
}

func timeField(letter byte, now time.Time) string {
	switch letter {
	case '@':
		return "@"
	case 'N':
		return fmt.Sprintf("%09d", now.Nanosecond())
	case 's':
		return strconv.FormatInt(now.Unix(), 10)
	}
	return now.Format(timeLayouts[letter])
}

// messageJSON is the message as one object, with the keys of mosquitto_sub. A payload
// that is to be parsed and cannot be stays a text.
func messageJSON(m *message, now time.Time, parse, pretty bool) string {
	out := struct {
		Time    string `json:"tst"`
		Topic   string `json:"topic"`
		QoS     byte   `json:"qos"`
		Retain  int    `json:"retain"`
		Length  int    `json:"payloadlen"`
		ID      uint16 `json:"mid,omitempty"`
		Props   any    `json:"properties,omitempty"`
		Payload any    `json:"payload"`
	}{
		Time: now.UTC().Format("2006-01-02T15:04:05.000000Z"), Topic: m.topic, QoS: m.qos,
		Length: len(m.payload), ID: m.id, Props: m.props.json(), Payload: string(m.payload),
	}
	if m.retain {
		out.Retain = 1
	}
	switch {
	case len(m.payload) == 0:
		out.Payload = nil
	case parse && json.Valid(m.payload):
		out.Payload = json.RawMessage(m.payload)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if pretty {
		enc.SetIndent("", "\t")
	}
	if err := enc.Encode(out); err != nil {
		return "{}" // does not happen: all fields are plain
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if pretty {
		text = keyInLine.ReplaceAllString(text, "$1:\t") // as mosquitto_sub does it
	}
	return text
}

// keyInLine is the key at the beginning of a line of indented JSON.
var keyInLine = regexp.MustCompile(`(?m)^(\t+"(?:[^"\\]|\\.)*"): `)
