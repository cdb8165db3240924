package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no text makes the loader panic, hang or give a Config beside errors, and
// every problem has a place in the file.
func FuzzLoad(f *testing.F) {
	seed(f)
	cat := fakeCatalogue()
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader(cat)
		c, ps := l.load([]*source{{name: "f.toml", text: text}})
		if (c == nil) != ps.Errors() {
			t.Fatalf("Config is %v beside the problems %v", c, ps)
		}
		for _, p := range ps {
			if p.Line > strings.Count(text, "\n")+1 || p.Line > 0 && p.Column < 1 {
				t.Errorf("%q is at %d:%d, outside of the text", p.Text, p.Line, p.Column)
			}
			if p.Text == "" {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
		var b bytes.Buffer
		ps.WriteText(&b, true)
		if c != nil {
			if changes := Diff(c, c); !changes.Empty() {
				t.Errorf("a configuration differs from itself: %+v", changes)
			}
			c.Topics()
		}
	})
}

// FuzzScan: what the scanner finds has the shape of what the TOML library decodes.
func FuzzScan(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		s := scan(&source{name: "f.toml", text: text})
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

func sameShape(t *testing.T, n *node, v any, twice bool) {
	t.Helper()
	if n.val.off > n.val.end || n.val.end > len(n.src.text) {
		t.Fatalf("%s lies outside of the text", n.path())
	}
	switch v := v.(type) {
	case map[string]any:
		if n.kind != kindTable || len(n.fields) != len(v) && !twice {
			t.Fatalf("%s has the keys %q, the library says %v", n.path(), n.keys(), v)
		}
		for _, f := range n.fields {
			if _, ok := v[f.name]; !ok {
				t.Fatalf("%s has a key %q that the library does not know", n.path(), f.name)
			}
			sameShape(t, f, v[f.name], twice)
		}
	case []map[string]any:
		if n.kind != kindArray || len(n.items) != len(v) && !twice {
			t.Fatalf("%s has %d items, the library says %d", n.path(), len(n.items), len(v))
		}
		for i := range min(len(v), len(n.items)) {
			sameShape(t, n.items[i], v[i], twice)
		}
	case []any:
		if n.kind != kindArray || len(n.items) != len(v) && !twice {
			t.Fatalf("%s has %d items, the library says %d", n.path(), len(n.items), len(v))
		}
		for i := range min(len(v), len(n.items)) {
			sameShape(t, n.items[i], v[i], twice)
		}
	default:
		if n.kind == kindTable || n.kind == kindArray {
			t.Fatalf("%s is no scalar, the library says %v", n.path(), v)
		}
	}
}

func seed(f *testing.F) {
	f.Helper()
	whole, err := os.ReadFile("testdata/whole.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(whole))
	files, _ := filepath.Glob("testdata/broken/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(splitParts(string(text))["sensorgate.toml"])
	}
	for _, text := range []string{
		"a.b.c = 1\n[a.b]\nd = 2\n", "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = [1, 2]\n", "a = { b.c = 1, d = [ { e = 1 }, 2 ] }\n",
		"\"a b\" = 1\n'c d' = 2\n\"\\u00e9\" = 3\n", "a = 1979-05-27 07:32:00 # x\n", "a = '''\n'''\nb = \"\"\"x\\\"\"\"\"\"\n",
		"a = [\n 1, # one\n 2,\n]\n", "[a]\n[a.b]\n[c]\n[a.d]\n", "a={\n b=1,\n}\n", "\ufeffa = 1\r\nb = 2\r\n", "a = [[], [[]], {}]\n",
	} {
		f.Add(text)
	}
}
