package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/internal/toml"
)

// FuzzLoad: no text makes the loader panic, hang or give a Config beside errors, and
// every problem has a place in the file.
func FuzzLoad(f *testing.F) {
	seed(f)
	cat := fakeCatalogue()
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader(cat)
		c, ps := l.load([]*toml.Source{{Name: "f.toml", Text: text}})
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
		}
	})
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
