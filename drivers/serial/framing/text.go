package framing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// Text says how values are found in text. Embedded into options.
type Text struct {
	Match     *regexp.Regexp `toml:"match" example:"'^(?P<weight>[+-] *\\d+\\.\\d+) *kg$'" doc:"A regular expression; each named group (?P<name>…) is a channel."`
	Separator string         `toml:"separator" example:"\";\"" doc:"The text between columns, or between key and value."`
	Pair      *regexp.Regexp `toml:"pair" example:"'(?P<key>\\w+)=(?P<value>\\S+)'" doc:"A regular expression for one key and its value, with groups called key and value, where a text holds several."`
	Skip      *regexp.Regexp `toml:"skip" example:"'^#[^\\n]*\\n'" doc:"A regular expression; text that matches is passed over without a fault."`
}

// Check is called by the driver's own Check.
func (t *Text) Check() error {
	if t.Match != nil && !hasNames(t.Match) {
		return &drivers.KeyError{Key: "match", Problem: "found no named group", Expected: "a group for each channel",
			Try: `'^(?P<weight>[0-9.]+) kg$'`}
	}
	if t.Pair != nil && (t.Pair.SubexpIndex("key") < 0 || t.Pair.SubexpIndex("value") < 0) {
		return &drivers.KeyError{Key: "pair", Problem: "found no groups called key and value", Try: `'^(?P<key>\w+)=(?P<value>.*)$'`}
	}
	return nil
}

func hasNames(re *regexp.Regexp) bool {
	return strings.Join(re.SubexpNames(), "") != ""
}

// Outputs are the named groups.
func (t *Text) Outputs() []drivers.Channel {
	if t.Match == nil {
		return nil
	}
	var list []drivers.Channel
	for _, name := range t.Match.SubexpNames() {
		if name != "" {
			list = append(list, drivers.Channel{Name: name})
		}
	}
	return list
}

// Selector says which piece of a text is the channel's. Without any it is the named
// group that is called like the channel.
type Selector struct {
	Group  string `toml:"group" example:"\"weight\"" doc:"The named group of match that holds the value."`
	Column *int   `toml:"column" example:"3" doc:"The column that holds the value, counted from 1; the line is split at separator."`
	JSON   string `toml:"json" example:"\"sensor.0.temperature\"" doc:"The path to the value in a line of JSON, such as sensor.0.temperature."`
	Key    string `toml:"key" example:"\"temp\"" doc:"The key whose value is taken; separator or pair says how keys and values are separated."`
}

func (s *Selector) given() (keys []string) {
	for key, set := range map[string]bool{"group": s.Group != "", "column": s.Column != nil, "json": s.JSON != "", "key": s.Key != ""} {
		if set {
			keys = append(keys, key)
		}
	}
	return keys
}

// textDecoder finds the channels' values in text.
type textDecoder struct {
	Text
	fields []textField
	json   bool // some field is found by a path
	pairs  bool // some field is found by a key
	groups []groupField
}

// textField is one channel.
type textField struct {
	name, unit string
	selector   Selector
	path       []string
	value      field.Value
	asText     bool   // even if it looks like a number
	unitIn     string // the group that has the unit; "": none has
}

// groupField is one named group and the channel it feeds; nil: of no options.
type groupField struct {
	index int
	name  string
	field *textField
}

func newTextDecoder(t Text, fields []textField) *textDecoder {
	d := &textDecoder{Text: t, fields: fields}
	for i := range d.fields {
		f := &d.fields[i]
		d.json = d.json || f.selector.JSON != ""
		d.pairs = d.pairs || f.selector.Key != ""
		f.path = strings.Split(f.selector.JSON, ".")
	}
	if t.Match == nil {
		return d
	}
	for i, group := range t.Match.SubexpNames() {
		if group == "" {
			continue
		}
		g := groupField{index: i, name: group}
		for j := range d.fields {
			f := &d.fields[j]
			if f.selector.Group == group || len(f.selector.given()) == 0 && f.name == group {
				g.field = f
			}
		}
		d.groups = append(d.groups, g)
	}
	return d
}

func (d *textDecoder) Decode(frame []byte, h *Results) {
	if d.Skip != nil && d.Skip.Match(frame) {
		return
	}
	if d.Match != nil {
		d.decodeMatch(frame, h)
	}
	if d.json {
		d.decodeJSON(frame, h)
	}
	if d.pairs {
		for line := range bytes.Lines(frame) {
			d.decodePair(bytes.TrimRight(line, "\r\n"), h)
		}
	}
	d.decodeColumns(frame, h)
}

func (d *textDecoder) decodeMatch(frame []byte, h *Results) {
	m := d.Match.FindSubmatchIndex(frame)
	if m == nil {
		h.Reject(fmt.Errorf("%.60q does not match", frame))
		return
	}
	for _, g := range d.groups {
		if from := m[2*g.index]; from >= 0 { // a group of an alternative that was not taken
			text := string(frame[from:m[2*g.index+1]])
			if g.field != nil && g.field.unitIn != "" {
				g.field.putIn(text, d.group(g.field.unitIn, frame, m), h)
			} else if g.field != nil {
				g.field.put(text, h)
			} else {
				v, err := new(field.Value).OfText(text)
				h.Put(g.name, "", v, err)
			}
		}
	}
}

func (d *textDecoder) decodePair(line []byte, h *Results) {
	var key, value string
	if d.Pair != nil {
		m := d.Pair.FindSubmatch(line)
		if m == nil {
			return
		}
		key, value = string(m[d.Pair.SubexpIndex("key")]), string(m[d.Pair.SubexpIndex("value")])
	} else {
		var found bool
		if key, value, found = strings.Cut(string(line), d.separator("=")); !found {
			return
		}
		key = strings.TrimSpace(key)
	}
	for i := range d.fields {
		if d.fields[i].selector.Key == key {
			d.fields[i].put(value, h)
		}
	}
}

func (d *textDecoder) decodeColumns(frame []byte, h *Results) {
	var columns []string
	for i := range d.fields {
		f := &d.fields[i]
		if f.selector.Column == nil {
			continue
		}
		if columns == nil {
			columns = strings.Split(string(frame), d.separator(","))
		}
		if n := *f.selector.Column; n <= len(columns) {
			f.put(columns[n-1], h)
		} else {
			h.Put(f.name, "", drivers.Value{}, fmt.Errorf("column %d asked for, the line has %d", n, len(columns)))
		}
	}
}

func (d *textDecoder) separator(usual string) string {
	if d.Separator != "" {
		return d.Separator
	}
	return usual
}

func (d *textDecoder) decodeJSON(frame []byte, h *Results) {
	var doc any
	if err := json.Unmarshal(frame, &doc); err != nil {
		h.Reject(fmt.Errorf("%.60q is not JSON", frame))
		return
	}
	for i := range d.fields {
		f := &d.fields[i]
		if f.selector.JSON == "" {
			continue
		}
		switch v := walk(doc, f.path).(type) {
		case nil: // null, or not in this line
		case string:
			f.put(v, h)
		case float64:
			f.put(strconv.FormatFloat(v, 'f', -1, 64), h)
		case bool:
			if f.value.Map != nil {
				f.put(strconv.FormatBool(v), h)
			} else {
				h.Put(f.name, f.unit, drivers.Bool(v), nil)
			}
		default:
			h.Put(f.name, "", drivers.Value{}, fmt.Errorf("%s is an object or a list, not a value", f.selector.JSON))
		}
	}
}

// walk follows a path of keys and list places.
func walk(doc any, path []string) any {
	for _, step := range path {
		switch node := doc.(type) {
		case map[string]any:
			doc = node[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			doc = node[i]
		default:
			return nil
		}
	}
	return doc
}

// group returns what a named group of match has found.
func (d *textDecoder) group(name string, frame []byte, m []int) string {
	if i := d.Match.SubexpIndex(name); i >= 0 && m[2*i] >= 0 {
		return strings.TrimSpace(string(frame[m[2*i]:m[2*i+1]]))
	}
	return ""
}

// putIn puts a number that stands in a unit of its own.
func (f *textField) putIn(text, unit string, r *Results) {
	n, ok := field.ParseNumber(text)
	if !ok {
		r.Put(f.name, "", drivers.Value{}, fmt.Errorf("%.40q is not a number", text))
		return
	}
	to := f.unit
	if to == "" {
		to = unit
	}
	n, err := Convert(n, unit, to)
	if err != nil {
		r.Put(f.name, "", drivers.Value{}, err)
		return
	}
	v, err := f.value.Of(n)
	r.Put(f.name, to, v, err)
}

func (f *textField) put(text string, h *Results) {
	if f.asText {
		h.Put(f.name, f.unit, drivers.Text(strings.TrimSpace(text)), nil)
		return
	}
	v, err := f.value.OfText(text)
	h.Put(f.name, f.unit, v, err)
}
