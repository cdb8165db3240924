package toml

import (
	"fmt"
	"reflect"
	"strings"
	"time"
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
	Example  string `json:"example,omitempty"` // as in the file

	typ reflect.Type
}

// Describe lists the keys of the struct defaults, which holds their defaults.
func Describe(name, doc string, defaults any) Table {
	return Table{Name: name, Doc: doc, Keys: KeysIn(defaults)}
}

// KeysIn lists the keys of a struct with the defaults that it holds.
func KeysIn(v any) []Key {
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
			Default: defaultText(rv.FieldByIndex(f.index).Convert(f.typ)), Example: f.example, typ: f.typ,
		})
	}
	return keys
}

// Typed is a type of a key that says for itself what people call it, and its JSON
// Schema.
type Typed interface {
	KeyType() (name string, schema Object)
}

// Defaulted is a type of a key that writes itself as it would stand in the file, ""
// if a default of it says nothing.
type Defaulted interface{ DefaultText() string }

// typeName is what a person calls the type of a key.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	if t == durationType {
		return "duration"
	}
	if own, ok := reflect.Zero(t).Interface().(Typed); ok {
		name, _ := own.KeyType()
		return name
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

// DefaultText writes a default as it would stand in the file, "" if it says nothing.
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
	if own, ok := v.Interface().(Defaulted); ok {
		return own.DefaultText()
	}
	if v.Type() == durationType {
		return `"` + FormatDuration(time.Duration(v.Int())) + `"`
	}
	switch v.Kind() {
	case reflect.String:
		return `"` + v.String() + `"`
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64, reflect.Float64:
		if !reflect.PointerTo(v.Type()).Implements(textType) {
			return strings.TrimSpace(fmt.Sprint(v.Interface()))
		}
	}
	return ""
}

// Sample is the example of the key for whoever reads its doc, "" if the doc has it already or the default
// is one.
func (k *Key) Sample() string {
	if k.Default != "" || strings.Contains(k.Doc, strings.Trim(k.Example, `"`)) {
		return ""
	}
	return k.Example
}

// Mentions reports whether text assigns key, also in braces or in a comment.
func Mentions(text, key string) bool {
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
		if example := k.Sample(); example != "" {
			b.WriteString(" Example: " + example)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
