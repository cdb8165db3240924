// Package tomltest checks what the structs of a configuration say about their keys.
package tomltest

import (
	"reflect"
	"testing"

	"sensorgate/internal/toml"
)

// Examples types the example of every key of the structs, and of the tables inside them, and
// fails for one that its key does not take. It returns how many were typed.
func Examples(t *testing.T, structs ...any) (typed int) {
	t.Helper()
	seen := map[reflect.Type]bool{}
	for _, v := range structs {
		typed += examplesOf(t, seen, reflect.TypeOf(v))
	}
	return typed
}

func examplesOf(t *testing.T, seen map[reflect.Type]bool, typ reflect.Type) (typed int) {
	t.Helper()
	for typ != nil && (typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice) {
		typ = typ.Elem()
	}
	if typ == nil || typ.Kind() != reflect.Struct || seen[typ] {
		return 0
	}
	seen[typ] = true
	for _, k := range toml.KeysIn(reflect.New(typ).Interface()) {
		if k.Example == "" {
			continue
		}
		typed++
		r := toml.Reporter{Guessing: true}
		n, ok := r.Parse(&toml.Source{Name: typ.String(), Text: k.Name + " = " + k.Example + "\n"})
		if ok {
			r.Table(n, reflect.New(typ).Interface())
		}
		if !ok || r.Problems.Errors() {
			t.Errorf("%s: %s = %s: %v", typ, k.Name, k.Example, r.Problems)
		}
	}
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() && f.Tag.Get("toml") != "" || f.Anonymous {
			typed += examplesOf(t, seen, f.Type)
		}
	}
	return typed
}
