package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers/serial"
)

// gaugePort is a port on which the tank gauge of docs/not-listed.md speaks, until the test ends.
func gaugePort(t *testing.T) string {
	t.Helper()
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				far.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)) // nobody may have it open
				far.WriteString("L=1.234 T=+21.5\r\n")
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; far.Close() })
	return path
}

var (
	pageBlock = regexp.MustCompile("(?s)```(text|toml)\n(.*?)```")
	pageWord  = regexp.MustCompile(`"[^"]*"|\S+`)
)

// Every command of docs/not-listed.md works as it stands there, in its order, and its
// files are good.
func TestNotListedPageIsFollowed(t *testing.T) {
	page, err := os.ReadFile("../../docs/not-listed.md")
	if err != nil {
		t.Fatal(err)
	}
	port, dir := gaugePort(t), t.TempDir()
	files := map[bool]string{true: filepath.Join(dir, "sensorgate.toml"), false: filepath.Join(dir, "models/acme/al2.toml")}
	if err := os.MkdirAll(filepath.Dir(files[false]), 0o755); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, block := range pageBlock.FindAllStringSubmatch(string(page), -1) {
		text := strings.ReplaceAll(block[2], "/dev/ttyUSB0", port)
		if block[1] == "toml" {
			if err := os.WriteFile(files[strings.Contains(text, "[device.")], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			command, found := strings.CutPrefix(line, "sensorgate ")
			if !found {
				t.Errorf("%q is no command of ours", line)
				continue
			}
			seen++
			follow(t, dir, command)
		}
	}
	if seen < 10 {
		t.Errorf("only %d commands on the page", seen)
	}
}

// follow runs one command of the page, with its files in dir, for as long as it takes or
// two seconds, as Ctrl-C would.
func follow(t *testing.T, dir, command string) {
	t.Helper()
	var args []string
	for _, word := range pageWord.FindAllString(command, -1) {
		word = strings.Trim(word, `"`)
		if word == "sensorgate.toml" || word == "gauge.rec" || word == "gauge-port" {
			word = filepath.Join(dir, word)
		}
		args = append(args, word)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	out, err := commandOutput(ctx, args...)
	unanswered := args[0] == "modbus" || args[0] == "scan" && args[1] == "modbus" // the gauge does not speak Modbus
	if err != nil && ctx.Err() == nil && !unanswered {
		t.Errorf("sensorgate %s: %v\n%s", command, err, out)
	}
	for _, c := range []struct{ begins, has string }{
		{"sniff /dev", "4C 3D 31 2E"}, {"sniff --config", "level = 1.234 m"}, {"read gauge", "1.234 m"}, {"check", "ok"}, {"model list", "generic/scale"},
		{"model show generic", "driver = \"lines\""}, {"model show acme", "Acme AL-2"}, {"replay", "gauge-port"},
	} {
		if strings.HasPrefix(command, c.begins) && !strings.Contains(out, c.has) {
			t.Errorf("sensorgate %s: no %q in\n%s", command, c.has, out)
		}
	}
}
