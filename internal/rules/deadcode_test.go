package rules

import (
	"flag"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var deadcode = flag.Bool("deadcode", false, "look for functions that nothing calls (make deadcode); some 20 seconds")

// onlyForTests are functions outside the packages for tests that only tests call, each with its reason. What is neither
// called by the program nor in this list is removed, or moved to the tests.
var onlyForTests = map[string]string{
	"drivers/serial.memory.SetLine":   "a serial port in memory has the methods of a real one",
	"drivers/i2c.NewBusesOn":          "I2C buses on a sysfs tree of the test",
	"drivers/i2c/bus.NewOn":           "the same, below",
	"drivers/serial.NewBusOver":       "a serial bus over a connection in memory",
	"internal/config.Missing":         "compares reference.toml with the keys that exist",
	"internal/toml.Mentions":          "used by config.Missing",
	"internal/mqtt.AppendUnsubscribe": "the broker's tests are clients",
}

// testPackages are packages that exist for tests alone, so all in them is called by tests only.
var testPackages = []string{"deploy/board", "internal/disk/crashdisk", "drivers/driverstest", "drivers/gpio/gpiotest", "drivers/i2c/i2ctest", "drivers/spi/spitest", "drivers/serial/serialtest", "internal/freeport", "internal/homeassistant/hatest", "internal/timing", "internal/toml/tomltest"}

func TestNoDeadCode(t *testing.T) {
	if !*deadcode {
		t.Skip("make deadcode runs it")
	}
	for _, f := range unreachable(t, "-test", "./...") {
		t.Errorf("nothing calls %s, not even a test: remove it", f)
	}
	found := unreachable(t, "./...")
	for _, f := range found {
		path, _, _ := strings.Cut(f[strings.LastIndex(f, "/")+1:], ".")
		path = f[:strings.LastIndex(f, "/")+1] + path
		if _, listed := onlyForTests[f]; !listed && !under(path, testPackages) {
			t.Errorf("only tests call %s: move it to them, or list it in onlyForTests with its reason", f)
		}
	}
	for f := range onlyForTests {
		if !slices.Contains(found, f) {
			t.Errorf("onlyForTests lists %s, which is gone or called: take it out", f)
		}
	}
}

// unreachable returns what deadcode finds, as package path, dot, name.
func unreachable(t *testing.T, args ...string) []string {
	t.Helper()
	format := `-f={{range .Funcs}}{{$.Path}}.{{.Name}}{{"\n"}}{{end}}`
	cmd := exec.Command("go", append([]string{"tool", "deadcode", format}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	names := strings.Fields(string(out))
	for i, n := range names {
		names[i] = strings.TrimPrefix(n, "sensorgate/")
	}
	return names
}
