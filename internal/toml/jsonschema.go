package toml

import (
	"encoding/json"
	"reflect"

	"github.com/BurntSushi/toml"
)

// Object is a piece of JSON Schema.
type Object = map[string]any

// NamedTables is a table of tables with names of the user's.
func NamedTables(entry Object) Object {
	return Object{"type": "object", "additionalProperties": entry}
}

// DocOf returns the doc of one key of a struct.
func DocOf(v any, key string) string {
	for _, k := range KeysIn(v) {
		if k.Name == key {
			return k.Doc
		}
	}
	return ""
}

// Shared is a struct whose keys many tables repeat; the schema has them once, below
// definitions, as sharedAs and the key.
type Shared interface{ SharedAs() string }

// UnknownKey is the schema of a key that a table does not have. Nothing is valid by it, so
// that an editor reports the key itself, once; of additionalProperties = false taplo blames
// the whole table and each word in it.
func UnknownKey() Object {
	return Object{"not": Object{"description": "There is no key of this name here; sensorgate check says what is meant."}}
}

// SchemaOf is the schema of a table that takes the keys of the structs, and no others.
func SchemaOf(structs ...any) Object {
	props, required := Object{}, []string{}
	for _, v := range structs {
		for _, k := range KeysIn(v) {
			if first, twice := props[k.Name]; twice {
				if p, ok := first.(Object); ok && p["$ref"] == nil && !reflect.DeepEqual(p["type"], typeSchema(k.typ)["type"]) {
					props[k.Name] = Object{} // the structs mean different things by it
				}
				continue
			}
			props[k.Name] = KeySchema(k)
			if s, ok := v.(Shared); ok {
				props[k.Name] = Object{"$ref": "#/definitions/" + s.SharedAs() + "." + k.Name}
			}
			if k.Required {
				required = append(required, k.Name)
			}
		}
	}
	t := Object{"type": "object", "properties": props, "additionalProperties": UnknownKey()}
	if len(required) > 0 {
		t["required"] = required
	}
	return t
}

// KeySchema is the schema of one key, with its doc as description, its default and what
// may be typed.
func KeySchema(k Key) Object {
	p := typeSchema(k.typ)
	if k.Doc != "" {
		p["description"] = k.Doc
	}
	if v, ok := jsonValue(k.Default); ok {
		p["default"] = v
	}
	if v, ok := jsonValue(k.Example); ok {
		p["examples"] = []any{v}
	}
	return p
}

// jsonValue is a value as it stands in a file, for JSON.
func jsonValue(text string) (v any, ok bool) {
	var t struct{ V any }
	if _, err := toml.Decode("V = "+text, &t); text == "" || err != nil {
		return nil, false
	}
	_, err := json.Marshal(t.V) // TOML has inf and nan
	return t.V, err == nil
}

func typeSchema(t reflect.Type) Object {
	if t.Kind() == reflect.Pointer {
		return typeSchema(t.Elem())
	}
	if t == durationType {
		return Object{"type": "string", "pattern": `^([0-9.]+ *(us|µs|ms|s|m|min|h|d|w))+$`, "examples": []string{"5s", "1m30s", "14d"}}
	}
	if own, ok := reflect.Zero(t).Interface().(Typed); ok {
		_, schema := own.KeyType()
		return schema
	}
	if reflect.PointerTo(t).Implements(textType) {
		return Object{"type": "string"}
	}
	return plainSchema(t)
}

func plainSchema(t reflect.Type) Object {
	switch t.Kind() {
	case reflect.Bool:
		return Object{"type": "boolean"}
	case reflect.String:
		return Object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return Object{"type": "number"}
	case reflect.Slice:
		return Object{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Array:
		return Object{"type": "array", "items": typeSchema(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return Object{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(nodeType) {
			return Object{} // takes more than one form
		}
		return SchemaOf(reflect.New(t).Interface())
	case reflect.Interface:
		return Object{}
	}
	p := Object{"type": "integer"}
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		p["minimum"] = 0
	}
	return p
}
