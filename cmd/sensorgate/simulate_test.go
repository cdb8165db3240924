package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// simulated runs sensorgate simulate until the test ends, and returns its port.
func simulated(t *testing.T, model string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "port")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if out, err := commandOutput(ctx, "simulate", "model", model, "--pty", "--link", link); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(link); err == nil {
			return link
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no port after 30 s")
		}
	}
}

// What docs/models.md promises: a model at home, and its scan says which model to write.
func TestSimulatedModelIsFoundAndRead(t *testing.T) {
	port := simulated(t, "deye/hybrid-1p")
	out, err := commandOutput(t.Context(), "scan", "modbus", port, "--unit", "1", "--line", "9600 8N1", "--timeout", "10s")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`model  = "deye/hybrid-1p"`, "it calls itself sensorgate, simulator, 1", "unit   = 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("the scan has no %q:\n%s", want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	text := "node = \"n\"\n[device.sun]\nmodel = \"deye/hybrid-1p\"\nserial = { port = \"" + port + "\" }\ntimeout = \"10s\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = commandOutput(t.Context(), "read", "-c", file, "sun")
	if err != nil || !strings.Contains(out, "state_of_charge") || strings.Contains(out, "has not come") {
		t.Errorf("read: %v\n%s", err, out)
	}
}

func TestSimulateWantsAPlace(t *testing.T) {
	for _, args := range [][]string{{}, {"--pty", "--tcp", "127.0.0.1:0"}, {"--link", "x"}} {
		if _, err := commandOutput(t.Context(), append([]string{"simulate", "model", "xy/md02"}, args...)...); err == nil || !strings.Contains(err.Error(), "--pty") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
