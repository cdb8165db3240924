package serial

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// pty returns a wire whose far end the test holds, and its path.
func pty(t testing.TB) (far *os.File, path string) {
	t.Helper()
	far, path, err := OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	t.Cleanup(func() { far.Close() })
	return far, path
}

func TestPortInUseSaysByWhom(t *testing.T) {
	_, path := pty(t)
	first, err := openTTY(path, &PortOptions{Port: path})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = openTTY(path, &PortOptions{Port: path})
	if err == nil || !strings.Contains(err.Error(), "in use by") || !strings.Contains(err.Error(), "pid") {
		t.Errorf("got %v, want who has it", err)
	}
}

func TestNotAPort(t *testing.T) {
	if _, err := openTTY("/dev/null", &PortOptions{Port: "/dev/null"}); err == nil || !strings.Contains(err.Error(), "not a serial port") {
		t.Errorf("got %v", err)
	}
}
