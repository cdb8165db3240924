package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The examples of docs/upstreams.md are files that load.
func TestUpstreamExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) < 4 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, e := range examples {
		file := filepath.Join(t.TempDir(), "sensorgate.toml")
		if err := os.WriteFile(file, append([]byte("node = \"barn-pi\"\n"), e[1]...), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := Load(file, fakeCatalogue())
		if problems.Errors() || len(c.Bridges) != 1 {
			t.Errorf("%s\n%v", e[1], problems)
		}
	}
}
