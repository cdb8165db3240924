package config

import (
	"testing"
	"testing/fstest"

	"sensorgate/internal/toml"
)

// A start parses the models that its configuration names, and no others: a broken one that
// nobody uses is nobody's problem, and a hundred cost nothing.
func TestStartParsesOnlyTheModelsThatAreNamed(t *testing.T) {
	used := &fstest.MapFile{Data: []byte("title = \"a\"\ndriver = \"sim\"\n")}
	broken := &fstest.MapFile{Data: []byte("title = [")}
	cat := fakeCatalogue()
	cat.Models = append(cat.Models, fstest.MapFS{"acme/used.toml": used, "acme/broken.toml": broken})
	l := newLoader(cat)
	l.dir = t.TempDir()
	l.load([]*toml.Source{{Name: "sensorgate.toml", Text: "node = \"n\"\n[device.x]\nmodel = \"acme/used\"\n"}})
	if len(l.models) != 1 || l.models["acme/used"] == nil {
		t.Errorf("parsed %d models, want the one that is named", len(l.models))
	}
}
