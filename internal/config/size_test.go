package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/toml"
)

// loadLimit is processor time, so that a busy machine changes nothing. Without -race
// each of these takes a fifth of it or less.
const loadLimit = 2500 * time.Millisecond

// cpu is the processor time that this process has used.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func loadText(t testing.TB, text string) (*Config, Problems, time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start := cpu(t)
	c, ps := Load(path, fakeCatalogue())
	return c, ps, cpu(t) - start
}

func manyDevices(n int) string {
	var b strings.Builder
	b.WriteString("node = \"n\"\n[serial.m]\nport = \"/dev/serial0\"\n")
	for i := range n {
		fmt.Fprintf(&b, "[device.d%d]\nmodel = \"eastron/sdm630\"\nbus = \"m\"\nunit = %d\n[device.d%d.channels]\npower = { deadband = 5, at_least = \"60s\" }\n", i, i, i)
	}
	b.WriteString("[bridge.cloud]\nurls = [\"mqtt://a\"]\nrules = [ { dir = \"out\", local = \"{node}/#\" } ]\n")
	return b.String()
}

func TestFiveThousandDevices(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time under qemu")
	}
	c, ps, took := loadText(t, manyDevices(5000/slowdown))
	if c == nil || len(c.Devices) != 5000/slowdown {
		t.Fatalf("not loaded: %v", ps)
	}
	t.Logf("5,000 devices from a model: %v", took)
	if took > loadLimit {
		t.Errorf("loading took %v", took)
	}
	start := cpu(t)
	if changes := Diff(c, c); !changes.Empty() {
		t.Errorf("differs from itself: %+v", changes.Devices.Changed[:1])
	}
	if took := cpu(t) - start; took > loadLimit {
		t.Errorf("comparing took %v", took)
	}
}

// A megabyte of anything is answered soon, whatever it is.
func TestOneMegabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time under qemu")
	}
	const size = 1 << 20 / slowdown
	for name, text := range map[string]string{
		"comment":          "# " + strings.Repeat("x", size),
		"one long string":  `node = "` + strings.Repeat("x", size) + `"`,
		"open brackets":    "a = " + strings.Repeat("[", size),
		"brackets":         "a = " + strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"braces":           "a = " + strings.Repeat("{a=", size/3),
		"dotted key":       strings.Repeat("a.", size/2) + "a = 1",
		"dotted header":    "[" + strings.Repeat("a.", size/2) + "a]",
		"empty lines":      strings.Repeat("\n", size),
		"unknown keys":     manyLines(size, "k%d = 1\n"),
		"empty tables":     manyLines(size, "[device.d%d]\n"),
		"broken lines":     manyLines(size, "k%d = x y\n"),
		"one table twice":  strings.Repeat("[device.a]\n", size/11),
		"same claims":      manyLines(size, "[device.d%d]\ndriver = \"input\"\ngpio = \"GPIO17\"\n"),
		"list of numbers":  "a = [" + strings.Repeat("1,", size/2) + "]",
		"quotes":           strings.Repeat(`"`, size),
		"one long line":    strings.Repeat("x", size) + "\x01",
		"rules":            "[bridge.a]\nurls = [\"mqtt://a\"]\nrules = [" + manyLines(size, "{ dir = \"both\", local = \"x/%d\" },\n") + "]\n",
		"rules everywhere": "[bridge.a]\nurls = [\"mqtt://a\"]\nrules = [" + strings.Repeat("{ dir = \"both\", local = \"#\" },\n", 490) + "]\n[bridge.b]\nurls = [\"mqtt://a\"]\nrules = [" + strings.Repeat("{ dir = \"both\", local = \"#\" },\n", 490) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, ps, took := loadText(t, text)
			var b strings.Builder
			ps.WriteText(&b, false)
			t.Logf("%v, %d problems, %d bytes printed", took, len(ps), b.Len())
			if took > loadLimit {
				t.Errorf("took %v", took)
			}
			if b.Len() > 1<<20 {
				t.Errorf("printed %d bytes", b.Len())
			}
		})
	}
}

func manyLines(size int, format string) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestTooLargeFile(t *testing.T) {
	_, ps, _ := loadText(t, strings.Repeat("#", toml.MaxFileSize+1))
	if len(ps) != 1 || !strings.Contains(ps[0].Text, "limit 16 MiB") {
		t.Errorf("problems: %v", ps)
	}
}

func BenchmarkLoad5000Devices(b *testing.B) {
	l := []*toml.Source{{Name: "f.toml", Text: manyDevices(5000)}}
	for b.Loop() {
		if c, ps := newLoader(fakeCatalogue()).load(l); c == nil {
			b.Fatal(ps)
		}
	}
}
