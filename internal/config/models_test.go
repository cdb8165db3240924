package config

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// A start parses the models that its configuration names, and no others: a broken one that
// nobody uses is nobody's problem, and a hundred cost nothing.
func TestStartParsesOnlyTheModelsThatAreNamed(t *testing.T) {
	used := &fstest.MapFile{Data: []byte("title = \"a\"\ndriver = \"sim\"\n")}
	broken := &fstest.MapFile{Data: []byte("title = [")}
	cat := fakeCatalogue()
	cat.Models = append(cat.Models, fstest.MapFS{"acme/used.toml": used, "acme/broken.toml": broken})
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\n[device.x]\nmodel = \"acme/used\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLoader(cat)
	l.dir = filepath.Dir(file)
	l.load(l.read(file))
	if len(l.models) != 1 || l.models["acme/used"] == nil {
		t.Errorf("parsed %d models, want the one that is named", len(l.models))
	}
}
