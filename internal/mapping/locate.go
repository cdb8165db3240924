package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Place is where in a payload the value of a channel stands.
type Place struct {
	// Path leads to it in JSON: names of members, and as int the places in lists. nil: the
	// payload is no JSON.
	Path []any

	// Text: JSON has the value inside quotes, also if it is a number or a boolean.
	Text bool

	// Before and After are what stands around it: in the payload, or in the text in JSON.
	Before, After string

	// Partial: the message may come without it, because the device was not asked for all, or
	// a filter held the value back.
	Partial bool
}

// Locate finds where the payloads of a device have the value of a channel. It is an error
// if a program that knows JSON and fixed texts around a value could not find it.
func (d *Device) Locate(channel string) (Place, error) {
	p, variable := d.PayloadOf(channel), "value"
	if d.PerDevice {
		variable = channel
	}
	switch {
	case d.PerDevice && p.Named():
		return Place{Path: []any{"values", channel}, Partial: true}, nil
	case p == JSON:
		return Place{Path: []any{"value"}}, nil
	case p == Plain:
		return Place{}, nil
	}
	place, err := d.locate(parsePayloadTemplate(string(p)), variable, channel)
	if err != nil {
		return Place{}, fmt.Errorf("payload = %q: %w", p, err)
	}
	place.Partial = d.PerDevice
	return place, nil
}

// PayloadOf is the format of the messages that carry a channel.
func (d *Device) PayloadOf(channel string) Payload {
	if c, ok := d.channel(channel); ok && c.Payload != "" && !d.PerDevice {
		return c.Payload
	}
	if d.Payload == "" {
		return JSON
	}
	return d.Payload
}

// mark stands for the value while its place is looked for. It is no text that somebody writes.
const mark = "\x01value\x01"

// fill stands for a variable that is not looked for: in a text around the value nobody can
// know how long it will be.
const fill = "\x02"

var (
	errNotThere = errors.New("the value is not in it")
	errMixed    = errors.New("the value stands beside other variables in one text, and cannot be taken out again (try JSON)")
)

func (d *Device) locate(t payloadTemplate, wanted, channel string) (Place, error) {
	filled := t.expand(nil, func(name string) (variable, bool) {
		if name == wanted {
			return textVariable(mark), true
		}
		return textVariable(d.constant(name, channel)), true
	})
	if !t.json {
		return around(string(filled), Place{})
	}
	var doc any
	if err := json.Unmarshal(filled, &doc); err != nil {
		return Place{}, fmt.Errorf("is no JSON after all: %w", err)
	}
	path, text, ok := search(doc, nil)
	if !ok {
		return Place{}, errNotThere
	}
	place := Place{Path: path}
	for i, p := range t.parts {
		if p.variable && p.text == wanted {
			place.Text = t.inString[i]
			break
		}
	}
	return around(text, place)
}

// constant is what a variable always is for a channel, or fill.
func (d *Device) constant(name, channel string) string {
	switch name {
	case "node":
		return d.Node
	case "device":
		return d.Name
	case "bus":
		return d.Bus
	case "model":
		return d.Model
	case "class":
		return d.Class
	}
	if c, ok := d.channel(channel); ok && !d.PerDevice {
		switch name {
		case "channel":
			return c.Name
		case "unit":
			return c.Unit
		}
	}
	return fill
}

// search finds the text with the mark, below names that are always the same.
func search(doc any, path []any) ([]any, string, bool) {
	switch v := doc.(type) {
	case string:
		return append([]any{}, path...), v, strings.Contains(v, mark)
	case map[string]any:
		for name, inner := range v {
			if strings.Contains(name, fill) {
				continue
			}
			if p, text, ok := search(inner, append(path, name)); ok {
				return p, text, true
			}
		}
	case []any:
		for i, inner := range v {
			if p, text, ok := search(inner, append(path, i)); ok {
				return p, text, true
			}
		}
	}
	return nil, "", false
}

// around notes the fixed text around the mark.
func around(text string, p Place) (Place, error) {
	before, after, ok := strings.Cut(text, mark)
	switch {
	case !ok:
		return Place{}, errNotThere
	case strings.Contains(before, fill), strings.Contains(after, fill), strings.Contains(after, mark):
		return Place{}, errMixed
	}
	p.Before, p.After = before, after
	return p, nil
}
