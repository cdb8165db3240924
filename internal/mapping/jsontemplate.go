package mapping

import (
	"encoding/json"
	"strings"

	"sensorgate/drivers"
)

// A payloadTemplate is the template of a payload. One that is JSON once its variables
// have values stays JSON whatever a device sends: inside a string a value is escaped,
// and where a value stands alone a text becomes a string. Any other template (line
// protocols, CSV) takes values as they are.
type payloadTemplate struct {
	Template
	json bool
	// inString says of each part whether it begins inside a JSON string.
	inString []bool
}

func parsePayloadTemplate(s string) payloadTemplate {
	t := payloadTemplate{Template: ParseTemplate(s)}
	t.inString = make([]bool, len(t.parts))
	quoted := false
	var sample strings.Builder
	for i, p := range t.parts {
		t.inString[i] = quoted
		if p.variable {
			sample.WriteByte('0') // a number alone, and a digit inside a string
			continue
		}
		sample.WriteString(p.text)
		quoted = endsInString(p.text, quoted)
	}
	// A lone {value} would pass for JSON too: its writer asked for the bare value.
	begin := strings.TrimSpace(s)
	t.json = len(t.parts) > 0 && !t.parts[0].variable && strings.IndexAny(begin, `{["`) == 0 && json.Valid([]byte(sample.String()))
	return t
}

// endsInString reports whether JSON is inside a string after text (RFC 8259, section 7).
func endsInString(text string, inside bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			inside = !inside
		case text[i] == '\\' && inside:
			i++
		}
	}
	return inside
}

// A variable is what stands in place of {name}: a text, or a number, a truth value or
// null, which JSON has without quotes.
type variable struct {
	text    string
	literal bool
}

func textVariable(s string) variable    { return variable{text: s} }
func literalVariable(s string) variable { return variable{text: s, literal: true} }

// valueVariable is a reading's value as a plain payload has it.
func valueVariable(v drivers.Value, digits *int) variable {
	_, isText := v.Text()
	return variable{text: string(appendValue(nil, v, digits)), literal: !isText}
}

// expand appends the text with values in place of the variables. One that is not known
// stays as it is.
func (t payloadTemplate) expand(b []byte, value func(name string) (variable, bool)) []byte {
	for i, p := range t.parts {
		if !p.variable {
			b = append(b, p.text...)
			continue
		}
		v, ok := value(p.text)
		if !ok {
			b = append(append(append(b, '{'), p.text...), '}')
			continue
		}
		switch {
		case !t.json, v.literal:
			b = append(b, v.text...)
		case t.inString[i]:
			quoted := appendJSONText(nil, v.text)
			b = append(b, quoted[1:len(quoted)-1]...)
		default:
			b = appendJSONText(b, v.text)
		}
	}
	return b
}
