package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"sensorgate/internal/config"
)

// With data = "" there is no store to put the socket beside; status must find it all the same.
func TestStatusFindsAGatewayThatKeepsNothing(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", t.TempDir())
	mine := &config.Config{Files: []string{filepath.Join(t.TempDir(), "a.toml")}}
	other := &config.Config{Files: []string{filepath.Join(t.TempDir(), "a.toml")}}
	path := SocketPath(mine)
	if path == "" || path == SocketPath(other) {
		t.Fatalf("the sockets of two configurations are %q and %q", path, SocketPath(other))
	}
	if FindSocket(mine) == path {
		t.Error("found where nobody listens")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := FindSocket(mine); got != path {
		t.Errorf("found %q, want %q", got, path)
	}
	// Somebody else's folder of that name is not used.
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := SocketPath(mine); got != "" {
		t.Errorf("a folder that others may enter is used: %s", got)
	}
}
