package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/broker"
	"sensorgate/internal/freeport"
)

// running runs a gateway on a configuration until the test ends or stop is called.
func running(t *testing.T, config, port string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		root := newRoot()
		root.SetArgs([]string{"run", "-c", config, "--log-level", "error"})
		ended <- root.ExecuteContext(ctx)
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		select {
		case err := <-ended:
			t.Fatal("run: ", err)
		case <-tick.C:
		}
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		nc.Close()
		if nc, err = net.Dial("unix", filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), "control.sock")); err == nil {
			nc.Close()
			return stop
		}
	}
	t.Fatal("the gateway does not start")
	return stop
}

// Sessions are listed and removed while the gateway runs, and in its store when it does not.
func TestJournalSessionsOnlineAndOffline(t *testing.T) {
	port := strconv.Itoa(freeport.Port(t))
	dir := t.TempDir()
	config := writeConfig(t, fmt.Sprintf("node = \"n\"\ndata = %q\n[broker]\nlisten = [\"tcp://127.0.0.1:%s\"]\n[journal]\nsize = \"16MiB\"\nkeep_free = \"1MiB\"\n", filepath.Join(dir, "d"), port))
	t.Setenv("RUNTIME_DIRECTORY", dir)
	stop := running(t, config, port)
	for _, id := range []string{"panel", "old\x1bpanel", "third"} {
		must(t, "", "sub", "-h", "127.0.0.1", "-p", port, "-i", id, "-c", "-q", "1", "-t", "a/#", "-E")
	}
	must(t, "", "pub", "-h", "127.0.0.1", "-p", port, "-t", "a/1", "-m", "waits", "-q", "1")

	check := func(where string, want ...string) {
		t.Helper()
		out := must(t, "", "journal", "sessions", "-c", config)
		lines := strings.Split(strings.TrimSpace(out), "\n")[1:]
		if len(lines) != len(want) {
			t.Fatalf("%s: %d sessions, want %d:\n%s", where, len(lines), len(want), out)
		}
		for i, id := range want {
			if f := strings.Fields(lines[i]); f[0] != id || !strings.Contains(lines[i], "away") || f[len(f)-3] != "1" {
				t.Errorf("%s: %q, want %s, away, with one message", where, lines[i], id)
			}
		}
	}
	check("online", `old\x1bpanel`, "panel", "third")
	if got := must(t, "", "journal", "sessions", "-c", config, "--remove", "old\x1bpanel"); got != "1 session removed\n" {
		t.Errorf("online: %q", got)
	}
	if _, err := with(t, "", "journal", "sessions", "-c", config, "--remove", "panel", "nobody"); !errors.Is(err, broker.ErrNoSession) {
		t.Errorf("a client that has none: %v", err)
	}
	check("online, removed", "panel", "third")
	stop()
	check("offline", "panel", "third")
	if got := must(t, "", "journal", "sessions", "-c", config, "--remove", "third"); got != "1 session removed\n" {
		t.Errorf("offline: %q", got)
	}
	check("offline, removed", "panel")
	if got := must(t, "", "journal", "sessions", "-c", config, "--gone-for", "1h", "--remove"); got != "0 sessions removed\n" {
		t.Errorf("away for an hour: %q", got)
	}
	running(t, config, port)
	check("online again", "panel")
	if got := must(t, "", "sub", "-h", "127.0.0.1", "-p", port, "-i", "panel", "-c", "-q", "1", "-t", "a/#", "-C", "1"); got != "waits\n" {
		t.Errorf("what waited for the session that stayed: %q", got)
	}
	var usage usageError
	if _, err := with(t, "", "journal", "sessions", "-c", config, "--remove"); !errors.As(err, &usage) {
		t.Errorf("--remove of nothing: %v", err)
	}
}

// Who names a file whose gateway does not run is not answered by the service, which runs on another:
// its sessions would be removed, its values taken for those of the file.
func TestToolsDoNotAskTheGatewayOfAnotherFile(t *testing.T) {
	port := strconv.Itoa(freeport.Port(t))
	dir := t.TempDir()
	text := fmt.Sprintf("data = \"\"\n[broker]\nlisten = [\"tcp://127.0.0.1:%s\"]\n", port)
	config, other := writeConfig(t, text), writeConfig(t, text)
	t.Setenv("RUNTIME_DIRECTORY", dir)
	running(t, config, port)
	service := filepath.Join(dir, "control.sock")
	for file, want := range map[string]string{config: service, other: "own"} {
		s := settings{path: file}
		if got := s.meant(service, "own"); got != want {
			t.Errorf("%s: asks %q, want %q", file, got, want)
		}
	}
}
