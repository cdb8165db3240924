package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// A card dies, and a backup of the running gateway brings back all that was on it: the name,
// what waits for an upstream and for a client that is away, retained messages, the history.
func TestBackupOfARunningGatewayIsRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	port, away := fmt.Sprint(freeport.Port(t)), freeport.Port(t)
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "etc", "sensorgate.toml")
	if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sensorgate.toml": fmt.Sprintf(`data = %q
[broker]
listen = ["tcp://127.0.0.1:%s"]
passwords = %q
[device.tank]
driver = "sim"
every = "1s"
[device.tank.channels]
level = { shape = "counter", unit = "l" }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:%d"]
rules = [ { dir = "out", local = "orders/#", qos = 1 } ]
`, store, port, filepath.Join(dir, "etc", "passwd"), away),
	} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pass := startWith(t, strings.NewReader("hush\n"), binary, "passwd", "add", filepath.Join(dir, "etc", "passwd"), "ann")
	pass.exit(30 * time.Second)
	gw := start(t, binary, "run", "--config", file)
	gw.waitFor("broker ready", 30*time.Second)
	login := []string{"-p", port, "-u", "ann", "-P", "hush"}
	tool := func(name string, args ...string) string {
		t.Helper()
		out, code := once(t, append(append([]string{name}, login...), args...)...)
		if code != 0 {
			t.Fatalf("%s %v ends with %d: %s", name, args, code, out)
		}
		return out
	}
	panel := []string{"-c", "-i", "panel", "-q", "1", "-t", "orders/#"}
	tool("sub", append(panel, "-E")...)
	for i := range 20 {
		tool("pub", "-q", "1", "-t", "orders/a", "-m", fmt.Sprint("order ", i))
	}
	tool("pub", "-q", "1", "-r", "-t", "kept", "-m", "retained")
	archive := filepath.Join(dir, "backup.tar.gz")
	out, code := once(t, "backup", archive, "-c", file)
	if code != 0 || !strings.Contains(out, "secrets left out") {
		t.Fatalf("backup: %d, %s", code, out)
	}
	if out, code := once(t, "restore", archive, "-c", file); code != 2 || !strings.Contains(out, "is running") {
		t.Errorf("a restore over a running gateway: %d, %s", code, out)
	}
	if out, code := once(t, "backup", archive, "-c", file, "--secrets"); code != 0 || strings.Contains(out, "left out") {
		t.Fatalf("backup --secrets: %d, %s", code, out)
	}
	gw.stop(syscall.SIGKILL)
	for _, gone := range []string{store, filepath.Join(dir, "etc")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := once(t, "restore", archive, "-c", file); code != 0 {
		t.Fatalf("restore: %d, %s", code, out)
	}
	if out, code := once(t, "restore", archive, "-c", file); code != 2 || !strings.Contains(out, "not empty") {
		t.Errorf("a restore over a store that is not empty: %d, %s", code, out)
	}
	again := start(t, binary, "run", "--config", file)
	again.waitFor("broker ready", 30*time.Second)
	if got := tool("sub", append(panel, "-C", "20", "-W", "20")...); strings.Count(got, "order ") != 20 || !strings.HasPrefix(got, "order 0\norder 1\n") {
		t.Errorf("the session has %q", got)
	}
	if got := tool("sub", "-t", "kept", "-C", "1", "-W", "20"); got != "retained\n" {
		t.Errorf("retained is %q", got)
	}
	if out, _ := once(t, "status", "-c", file); !strings.Contains(out, "20 (") {
		t.Errorf("the spool does not have the 20 orders:\n%s", out)
	}
	host, err := os.Hostname()
	text, rerr := os.ReadFile(file)
	if err != nil || rerr != nil || !strings.HasPrefix(string(text), "node = ") || !strings.Contains(string(text), strings.Split(host, ".")[0]) {
		t.Errorf("the node has not its name: %v, %v, %.80s", err, rerr, text)
	}
}
