package config

import (
	"reflect"
	"slices"
	"strings"
)

// Table describes one kind of table for people and for the schema.
type Table struct {
	Name string `json:"name"` // "broker", "bridge.NAME.spool", "device.NAME (bme280)"
	Doc  string `json:"doc,omitempty"`
	Keys []Key  `json:"keys"`
}

// Key describes one key.
type Key struct {
	Name     string `json:"name"`
	Doc      string `json:"doc,omitempty"`
	Type     string `json:"type"` // "text", "duration", "whole number", …
	Required bool   `json:"required,omitempty"`
	Default  string `json:"default,omitempty"`

	typ reflect.Type
}

// Describe lists all tables with all their keys: first our own, then the options of
// each driver and of its channels.
func Describe(cat Catalogue) []Table {
	tables := []Table{
		describe("", "the file as a whole", topTable{Topic: defaultTopic}),
		describe("broker", "the MQTT broker inside this process", defaultBroker()),
		describe("journal", "what survives a power cut", defaultJournal()),
	}
	if cat.SerialBus != nil {
		tables = append(tables, describe("serial.NAME", "a serial wire with several devices on it", cat.SerialBus()))
	}
	tables = append(tables,
		describe("device.NAME", "one thing on a bus or a pin; its driver has more keys", deviceTable{Publish: "channel"}),
		describe("device.NAME.channels.NAME", "one quantity of a device; its driver may have more keys", channelTable{}),
		describe("bridge.NAME", "an upstream broker", defaultBridge("NAME")),
		describe("bridge.NAME.password", "where a secret is; exactly one of these", secretTable{}),
		describe("bridge.NAME.tls", "certificates, if the system's do not do", tlsTable{}),
		describe("bridge.NAME.spool", "what waits while the upstream is away", defaultBridge("").Spool),
		describe("bridge.NAME.status", "retained topic at the upstream", statusTable{Topic: "{node}/status", Online: "online", Offline: "offline"}),
		describe("bridge.NAME.rules[]", "which topics go where", ruleTable{}),
	)
	for _, name := range cat.Drivers.Names() {
		d, err := cat.Drivers.Lookup(name)
		if err != nil {
			continue // the name came from the registry
		}
		t := Table{Name: "device.NAME (" + name + ")", Doc: d.Summary}
		if d.Options != nil {
			t.Keys = keysIn(d.Options())
		}
		tables = append(tables, t)
		if d.ChannelOptions != nil {
			tables = append(tables, Table{Name: "device.NAME.channels.NAME (" + name + ")", Keys: keysIn(d.ChannelOptions())})
		}
	}
	return tables
}

func describe(name, doc string, defaults any) Table {
	return Table{Name: name, Doc: doc, Keys: keysIn(defaults)}
}

// keysIn lists the keys of a struct with the defaults that it holds.
func keysIn(v any) []Key {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct {
		return nil
	}
	var keys []Key
	for _, f := range fieldsOf(rv.Type()) {
		keys = append(keys, Key{
			Name: f.key, Doc: f.doc, Required: f.required, Type: typeName(f.typ),
			Default: defaultText(rv.FieldByIndex(f.index)), typ: f.typ,
		})
	}
	return keys
}

// typeName is what a person calls the type of a key.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	switch t {
	case durationType:
		return "duration"
	case reflect.TypeFor[size]():
		return "size"
	case reflect.TypeFor[Rate]():
		return "rate"
	case reflect.TypeFor[qosNumber]():
		return "0, 1 or 2"
	case reflect.TypeFor[subtree](), reflect.TypeFor[Secret]():
		return "table"
	case reflect.TypeFor[listenEntry](), reflect.TypeFor[condition]():
		return "text"
	case reflect.TypeFor[ruleTable]():
		return "table"
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "list of " + typeName(t.Elem())
	case reflect.Map, reflect.Struct:
		return "table"
	case reflect.Interface:
		return "anything"
	}
	return "whole number"
}

// defaultText writes a default as it would stand in the file, "" if it says nothing.
func defaultText(v reflect.Value) string {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if v.IsZero() || !v.CanInterface() {
		return ""
	}
	switch x := v.Interface().(type) {
	case subtree, Secret, Rate:
		return ""
	case size:
		return `"` + formatSize(int64(x)) + `"`
	case policyText:
		for name, p := range policies {
			if p == x.policy() {
				return `"` + name + `"`
			}
		}
	}
	if v.Type() == durationType {
		return `"` + formatDuration(durationOf(v)) + `"`
	}
	switch v.Kind() {
	case reflect.String:
		return `"` + v.String() + `"`
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64, reflect.Float64:
		if !reflect.PointerTo(v.Type()).Implements(textType) {
			return strings.TrimSpace(plainText(v))
		}
	}
	return ""
}

// Missing gives the keys of our own tables that text does not mention: what a
// reference that is to be complete lacks.
func Missing(cat Catalogue, text string) []string {
	var missing []string
	for _, t := range Describe(cat) {
		for _, k := range t.Keys {
			if !mentions(text, k.Name) {
				missing = append(missing, t.Name+": "+k.Name)
			}
		}
	}
	return slices.Compact(missing)
}

// mentions reports whether text assigns key, also in braces or in a comment.
func mentions(text, key string) bool {
	for rest := text; ; {
		i := strings.Index(rest, key)
		if i < 0 {
			return false
		}
		after := strings.TrimLeft(rest[i+len(key):], " ")
		starts := i == 0 || strings.ContainsRune(" \n{,.[#", rune(rest[i-1]))
		if starts && (strings.HasPrefix(after, "=") || strings.HasPrefix(after, ".") || strings.HasPrefix(after, "]") || strings.HasPrefix(after, ":")) {
			return true
		}
		rest = rest[i+len(key):]
	}
}

// Text writes the table as comments of a TOML file.
func (t *Table) Text() string {
	var b strings.Builder
	head := "[" + t.Name + "]"
	if t.Name == "" {
		head = "at the top"
	}
	b.WriteString("# " + head)
	if t.Doc != "" {
		b.WriteString(": " + t.Doc)
	}
	b.WriteByte('\n')
	for _, k := range t.Keys {
		b.WriteString("#   " + k.Name + " = " + k.Type)
		switch {
		case k.Required:
			b.WriteString(", required")
		case k.Default != "":
			b.WriteString(", default " + k.Default)
		}
		if k.Doc != "" {
			b.WriteString(": " + k.Doc)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
