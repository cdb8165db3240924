package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is printed now into the golden files")

// Each file in testdata/broken is a broken configuration (one or more parts, each
// behind a line "-- NAME --") and behind "-- want --" what a user reads about it.
func TestBrokenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d broken files, want at least 60 (%v)", len(files), err)
	}
	t.Setenv("STATE_DIRECTORY", "")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := splitParts(string(text))
			got := explain(t, parts)
			if *update {
				writeWant(t, file, string(text), got)
				return
			}
			if want := parts["want"]; got != want {
				t.Errorf("a user reads:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// explain loads the parts from a folder of their own and returns what is printed.
func explain(t *testing.T, parts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range parts {
		if name == "want" {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, ps := Load(filepath.Join(dir, "sensorgate.toml"), fakeCatalogue())
	if (c == nil) != ps.Errors() {
		t.Errorf("Config is %v, but errors are %v", c, ps.Errors())
	}
	var b bytes.Buffer
	ps.WriteText(&b, false)
	return strings.ReplaceAll(b.String(), dir+"/", "/etc/sensorgate/")
}

// splitParts takes a file apart at its "-- NAME --" lines.
func splitParts(text string) map[string]string {
	parts := map[string]string{}
	name := "sensorgate.toml"
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(n, " --") {
			name = strings.TrimSuffix(n, " --")
			parts[name] = ""
			continue
		}
		parts[name] += line
	}
	return parts
}

func writeWant(t *testing.T, file, text, got string) {
	t.Helper()
	head, _, _ := strings.Cut(text, "-- want --\n")
	if !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	if err := os.WriteFile(file, []byte(head+"-- want --\n"+got), 0o600); err != nil {
		t.Fatal(err)
	}
}
