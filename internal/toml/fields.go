package toml

import (
	"reflect"
	"strings"
	"sync"
)

// optionField is one key that a struct takes.
type optionField struct {
	key      string
	doc      string
	required bool
	was      string // its name in older versions, "" if it always had this one
	example  string // to type, where a sample of its type says too little
	choice   bool   // exactly one of the keys with this mark is to be given
	index    []int
	typ      reflect.Type
}

var fieldCache sync.Map // reflect.Type to []optionField

// fieldsOf lists the keys of a struct type, embedded structs flattened, in the order
// of the fields.
func fieldsOf(t reflect.Type) []optionField {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]optionField)
	}
	var fields []optionField
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("toml")
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		key, _, _ := strings.Cut(tag, ",")
		if !f.IsExported() || key == "" || key == "-" {
			continue // set by the program
		}
		typ := f.Type
		if f.Tag.Get("quantity") == "size" {
			typ = reflect.TypeFor[Size]()
		}
		fields = append(fields, optionField{
			key: key, doc: f.Tag.Get("doc"), required: f.Tag.Get("required") == "true", choice: f.Tag.Get("choice") != "", example: f.Tag.Get("example"), was: f.Tag.Get("was"),
			index: []int{i}, typ: typ,
		})
	}
	fieldCache.Store(t, fields)
	return fields
}

// structOf returns the struct that a pointer to one points at; ok is false for
// anything else, also for nil.
func structOf(v any) (reflect.Value, bool) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() || rv.Elem().Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	return rv.Elem(), true
}

// target is a struct that takes part of a table's keys.
type target struct {
	value  reflect.Value
	fields []optionField
}

// Field finds the field that takes key.
func (t *target) field(key string) (optionField, bool) {
	for _, f := range t.fields {
		if f.key == key {
			return f, true
		}
	}
	return optionField{}, false
}

// renamed finds the field that took key under this name in older versions.
func renamed(ts []target, key string) (optionField, bool) {
	for _, t := range ts {
		for _, f := range t.fields {
			if f.was == key {
				return f, true
			}
		}
	}
	return optionField{}, false
}

func targetsOf(into []any) []target {
	var ts []target
	for _, v := range into {
		if s, ok := structOf(v); ok {
			ts = append(ts, target{s, fieldsOf(s.Type())})
		}
	}
	return ts
}

// KeysOf lists all keys of the targets, each once.
func keysOf(ts []target) []string {
	var keys []string
	seen := map[string]bool{}
	for _, t := range ts {
		for _, f := range t.fields {
			if !seen[f.key] {
				seen[f.key] = true
				keys = append(keys, f.key)
			}
		}
	}
	return keys
}

// OptionKeys lists the keys that the struct which v points at takes; none if v is
// anything else.
func OptionKeys(v any) []string { return keysOf(targetsOf([]any{v})) }
