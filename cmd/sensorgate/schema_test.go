package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"sensorgate/internal/gateway"
	"sensorgate/internal/toml/tomltest"
)

// Who hovers over a key in an editor reads a sentence, whatever the key.
func TestEveryKeyIsDescribedInASentence(t *testing.T) {
	var schema any
	if err := json.Unmarshal([]byte(must(t, "", "schema")), &schema); err != nil {
		t.Fatal(err)
	}
	seen, reported := 0, map[string]bool{}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		if list, ok := v.([]any); ok {
			for _, e := range list {
				walk(e, path)
			}
			return
		}
		o, ok := v.(map[string]any)
		if !ok {
			return
		}
		if says, ok := o["description"].(string); ok {
			seen++
			if !reported[says] && (!strings.HasSuffix(says, ".") || !unicode.IsUpper([]rune(says)[0])) {
				reported[says] = true
				t.Errorf("%s: %q is no sentence", path, says)
			}
		}
		props, _ := o["properties"].(map[string]any)
		for name, p := range props {
			key, _ := p.(map[string]any)
			if key["description"] == nil && key["$ref"] == nil && key["const"] == nil && len(key) > 0 {
				t.Errorf("%s.%s has no description", path, name)
			}
		}
		for name, p := range o {
			walk(p, path+"/"+name)
		}
	}
	walk(schema, "")
	if seen < 400 {
		t.Errorf("only %d descriptions", seen)
	}
}

// Who completes a key in an editor sees what to type: each has an example, a default, or a
// list of its words.
func TestEveryKeyHasAnExample(t *testing.T) {
	var schema any
	if err := json.Unmarshal([]byte(must(t, "", "schema")), &schema); err != nil {
		t.Fatal(err)
	}
	lacks := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, of := range []string{"properties", "definitions"} {
				props, _ := v[of].(map[string]any)
				for name, p := range props {
					key, _ := p.(map[string]any)
					kind := key["type"]
					if key["examples"] == nil && key["default"] == nil && key["enum"] == nil && key["items"] == nil && kind != nil && kind != "boolean" && kind != "object" {
						lacks[name+": "+key["description"].(string)] = true
					}
				}
			}
			for _, p := range v {
				walk(p)
			}
		}
	}
	walk(schema)
	for key := range lacks {
		t.Errorf("no example of %s", key)
	}
}

// Every example can be typed: its key takes it. Those of our own tables: internal/config.
func TestExamplesOfDriversCanBeTyped(t *testing.T) {
	cat := gateway.NewHardware(discard).Catalogue()
	tables := []any{cat.SerialBus()}
	for _, name := range cat.Drivers.Names() {
		d, err := cat.Drivers.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, options := range []func() any{d.Options, d.ChannelOptions} {
			if options != nil {
				tables = append(tables, options())
			}
		}
	}
	if typed := tomltest.Examples(t, tables...); typed < 150 {
		t.Errorf("only %d examples", typed)
	}
}
