package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
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
