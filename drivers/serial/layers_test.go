package serial

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers of the drivers on serial lines, from the wire upwards, with the outside
// libraries that each alone may use. A layer may import those before it.
var layers = []struct {
	folder    string
	libraries []string
}{
	{".", []string{"go.bug.st/serial", "golang.org/x/sys/unix"}},
	{"framing", nil},
	{"meters", nil},
}

// A port does not know what a frame is, and a frame does not know which meter sent it:
// no file is in two layers, and none imports what is above it.
func TestLayersImportOnlyWhatIsBelow(t *testing.T) {
	below := []string{"sensorgate/drivers", "sensorgate/drivers/field"}
	for _, layer := range layers {
		files, err := filepath.Glob(filepath.Join(layer.folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("layer %s has no files: %v", layer.folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range parsed.Imports {
				path, _ := strconv.Unquote(imp.Path.Value)
				standard := !strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, "sensorgate/")
				if !standard && !slices.Contains(below, path) && !slices.Contains(layer.libraries, path) {
					t.Errorf("%s imports %s, which is not below it (below: %v, libraries of its own: %v)", file, path, below, layer.libraries)
				}
			}
		}
		below = append(below, filepath.ToSlash(filepath.Join("sensorgate/drivers/serial", layer.folder)))
	}
}
