package toml

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzScan: what the scanner finds has the shape of what the TOML library decodes.
func FuzzScan(f *testing.F) {
	seedTexts(f)
	f.Fuzz(func(t *testing.T, text string) {
		s := scan(&Source{Name: "f.toml", Text: text})
		if s.stop != nil && s.stop.reason != "" || len(text) > 1<<16 {
			return // deeper than the library is to be asked to go
		}
		readable := text
		if s.stop != nil {
			readable = upToLineEnd(text, s.stop.at)
		}
		var data map[string]any
		if err := decodeTOML(readable, &data); err != nil || s.stop != nil {
			return
		}
		sameShape(t, s.root, data, len(s.twice) > 0)
	})
}

func sameShape(t *testing.T, n *Node, v any, twice bool) {
	t.Helper()
	if n.val.off > n.val.end || n.val.end > len(n.Source.Text) {
		t.Fatalf("%s lies outside of the text", n.Path())
	}
	switch v := v.(type) {
	case map[string]any:
		if n.Kind != KindTable || len(n.Fields) != len(v) && !twice {
			t.Fatalf("%s has the keys %q, the library says %v", n.Path(), n.Keys(), v)
		}
		for _, f := range n.Fields {
			if _, ok := v[f.Name]; !ok {
				t.Fatalf("%s has a key %q that the library does not know", n.Path(), f.Name)
			}
			sameShape(t, f, v[f.Name], twice)
		}
	case []map[string]any:
		if n.Kind != KindArray || len(n.Items) != len(v) && !twice {
			t.Fatalf("%s has %d items, the library says %d", n.Path(), len(n.Items), len(v))
		}
		for i := range min(len(v), len(n.Items)) {
			sameShape(t, n.Items[i], v[i], twice)
		}
	case []any:
		if n.Kind != KindArray || len(n.Items) != len(v) && !twice {
			t.Fatalf("%s has %d items, the library says %d", n.Path(), len(n.Items), len(v))
		}
		for i := range min(len(v), len(n.Items)) {
			sameShape(t, n.Items[i], v[i], twice)
		}
	default:
		if n.Kind == KindTable || n.Kind == KindArray {
			t.Fatalf("%s is no scalar, the library says %v", n.Path(), v)
		}
	}
}

// seedTexts adds files of all kinds: those that the program's own configuration is
// tested with, and some that are all corners.
func seedTexts(f *testing.F) {
	f.Helper()
	files, _ := filepath.Glob("../config/testdata/broken/*.txt")
	for _, file := range append(files, "../config/testdata/whole.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		before, _, _ := strings.Cut(string(text), "-- want --\n")
		f.Add(before)
	}
	for _, text := range []string{
		"a.b.c = 1\n[a.b]\nd = 2\n", "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = [1, 2]\n", "a = { b.c = 1, d = [ { e = 1 }, 2 ] }\n",
		"\"a b\" = 1\n'c d' = 2\n\"\\u00e9\" = 3\n", "a = 1979-05-27 07:32:00 # x\n", "a = '''\n'''\nb = \"\"\"x\\\"\"\"\"\"\n",
		"a = [\n 1, # one\n 2,\n]\n", "[a]\n[a.b]\n[c]\n[a.d]\n", "a={\n b=1,\n}\n", "\ufeffa = 1\r\nb = 2\r\n", "a = [[], [[]], {}]\n",
	} {
		f.Add(text)
	}
}
