package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// sensorgate runs a command in this process and returns what it printed.
func commandOutput(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

// replaying plays a recording at a path, for other commands to look at.
func replaying(t *testing.T, recording string) (port string) {
	t.Helper()
	dir := t.TempDir()
	file, port := filepath.Join(dir, "x.rec"), filepath.Join(dir, "port")
	if err := os.WriteFile(file, []byte(recording), 0o600); err != nil {
		t.Fatal(err)
	}
	if wire, _, err := serial.OpenPTY(); err != nil {
		t.Skip("no ptys here:", err)
	} else {
		wire.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := commandOutput(ctx, "replay", file, "--link", port); err != nil && ctx.Err() == nil {
			t.Errorf("replay: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	for range 100 {
		if _, err := os.Lstat(port); err == nil {
			return port
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("replay made no port")
	return ""
}

const meterRecording = `# one request and its answer
0.0 > 01 03 00 00 00 02 C4 0B
0.01 < 01 03 04 00 07 FF FE 8B 82
`

func TestModbusReadFromARecording(t *testing.T) {
	out, err := commandOutput(t.Context(), "modbus", "read", replaying(t, meterRecording), "holding", "0", "2")
	if want := "holding 0 (0x0000)  0007  7  7\nholding 1 (0x0001)  FFFE  65534  -2\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestReplayInALoopStopsWhenAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.rec")
	if err := os.WriteFile(file, []byte("0.01 < 00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := filepath.Join(t.TempDir(), "port")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := commandOutput(ctx, "replay", file, "--link", port, "--loop")
		ended <- err
	}()
	var l serial.Line
	o, err := serial.ParsePort(port, l)
	if err != nil {
		t.Fatal(err)
	}
	err = runWire(t.Context(), serial.NewBus(port, o, slog.New(slog.DiscardHandler)), func(ctx context.Context, b *serial.Bus) error {
		ears := b.Listen()
		defer ears.Close()
		for heard := 0; heard < 5; { // it really loops
			if c, err := ears.Next(ctx, time.Now().Add(5*time.Second)); err == nil {
				heard += len(c.Data)
			} else if !errors.Is(err, drivers.ErrAbsent) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("still running 30 s after it was asked to stop")
	}
}

// What record writes, replay plays: the same bytes.
func TestRecordAndReplay(t *testing.T) {
	port := replaying(t, "0.0 < 24 41 0D 0A\n0.3 < 24 42 0D 0A\n")
	file := filepath.Join(t.TempDir(), "again.rec")
	ctx, cancel := context.WithTimeout(t.Context(), 1100*time.Millisecond)
	defer cancel()
	commandOutput(ctx, "record", port, file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if _, data, ok := strings.Cut(line, " < "); ok {
			got = append(got, data)
		}
	}
	if strings.Join(got, " ") != "24 41 0D 0A 24 42 0D 0A" {
		t.Errorf("recorded %q", b)
	}
}

func TestScanModbusFindsWhoRefuses(t *testing.T) {
	port := replaying(t, "0.0 > 01 03 00 00 00 01 84 0A\n0.0 > 02 03 00 00 00 01 84 39\n0.0 < 02 83 02 30 F1\n")
	out, err := commandOutput(t.Context(), "scan", "modbus", port, "--lines", "9600 8N1", "--units", "1-2")
	if err != nil || !strings.Contains(out, "unit   = 2") || !strings.Contains(out, "illegal data address") || strings.Contains(out, "unit   = 1") {
		t.Errorf("got %q, %v, want unit 2 alone", out, err)
	}
}

func TestSniffShowsBytesAndReadings(t *testing.T) {
	port := replaying(t, "0.0 < 53 54 2C 47 53 2C 2B 20 31 2E 35 6B 67 0D 0A\n")
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	text := "node = \"n\"\n[device.scale]\nmodel = \"generic/scale\"\nserial = { port = \"" + port + "\" }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	out, err := commandOutput(ctx, "sniff", "--config", file, "--device", "scale")
	for _, want := range []string{"53 54 2C 47", "ST,GS,+ 1.5kg..", "weight = 1.5 kg", "state = ST"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s (%v)", want, out, err)
		}
	}
}

func TestBadWireArguments(t *testing.T) {
	for _, args := range [][]string{
		{"modbus", "read", "/dev/null", "register", "0"},
		{"modbus", "read", "/dev/null", "holding", "70000"},
		{"modbus", "read", "/dev/null", "holding", "0", "126"},
		{"modbus", "read", "/dev/null", "holding", "0", "--type", "f33"},
		{"modbus", "read", "/dev/null", "holding", "0", "--line", "9600 9N1"},
		{"scan", "modbus", "/dev/null", "--unit", "0-3"},
		{"sniff"},
		{"replay", "/dev/null", "--speed", "0"},
	} {
		_, err := commandOutput(t.Context(), args...)
		if _, ok := err.(usageError); !ok {
			t.Errorf("%v: got %v, want an error of usage", args, err)
		}
	}
}
