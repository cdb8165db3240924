package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileVersion(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"version = 1\n", ""},
		{"version = 2\nflux_capacitor = true\n\n[device.x]\ndriver = \"warp\"\n", "newer sensorgate: this one reads version 1"},
		{"version = 0\n", "expected 1"},
		{"version = \"1\"\n", "expected"},
	} {
		path := filepath.Join(t.TempDir(), "sensorgate.toml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, ps := Load(path, fakeCatalogue())
		switch {
		case c.want == "" && cfg == nil:
			t.Errorf("%q is refused: %v", c.text, ps)
		case c.want != "" && (cfg != nil || !strings.Contains(ps.Error(), c.want)):
			t.Errorf("%q: got %v, want %q", c.text, ps, c.want)
		}
		// The device of a file from the future is nobody's fault.
		if strings.Contains(ps.Error(), "warp") {
			t.Errorf("%q: a newer file was judged: %v", c.text, ps)
		}
	}
}
