package rules

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sensorgate/drivers/gpio"
	"sensorgate/drivers/i2c"
	"sensorgate/drivers/kernel"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/meters"
	"sensorgate/drivers/sim"
	"sensorgate/drivers/spi"
	"sensorgate/internal/gateway"

	"sensorgate/drivers"
)

const guide = "docs/adding-a-driver.md"

var (
	// named is a path in the documents: in backquotes, with a slash, and nothing in it that varies.
	named = regexp.MustCompile("`((?:cmd|drivers|broker|bridge|internal|deploy|configs|docs)/[A-Za-z0-9_./-]+)`")
	refer = regexp.MustCompile(`\]\(([^)#: ]+)(?:#[^)]*)?\)`)
	// test is a test or fuzz target that a page names.
	test = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z]+)`")
)

// Whoever follows a page must find what it names.
func TestDocumentsNameWhatExists(t *testing.T) {
	var code strings.Builder
	for _, s := range sources(t) {
		if s.test() {
			code.WriteString(s.text)
		}
	}
	walk(t, func(path string) {
		if filepath.Ext(path) != ".md" {
			return
		}
		text := read(t, path)
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if last := filepath.Base(m[1]); strings.ToUpper(last) != last && !strings.HasPrefix(last, "PART.") && !strings.HasPrefix(last, "NAME.") {
				exists(t, path, strings.TrimSuffix(m[1], "/"))
			}
		}
		for _, m := range refer.FindAllStringSubmatch(text, -1) {
			exists(t, path, filepath.Join(filepath.Dir(path), m[1]))
		}
		for _, m := range test.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(code.String(), "func "+m[1]+"(") {
				t.Errorf("%s names %s, which no test file has", path, m[1])
			}
		}
	})
}

func exists(t *testing.T, page, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		t.Errorf("%s names %s, which does not exist", page, path)
	}
}

// kinds returns in which page a driver of a package stands, and which packages export lists. A new package of drivers needs
// its line here: a driver of the registry that is in no list fails the test below.
func kinds() map[string][]drivers.Driver {
	log := slog.New(slog.DiscardHandler)
	buses := serial.NewBuses()
	return map[string][]drivers.Driver{
		"docs/hardware.md":   slices.Concat(i2c.Drivers(i2c.NewBuses(log), nil), spi.Drivers(spi.NewBuses(log)), kernel.Drivers()),
		"docs/serial.md":     append(framing.Drivers(buses, log), meters.Drivers(buses, log)...),
		"docs/modbus.md":     modbus.Drivers(buses, log),
		"docs/gpio.md":       gpio.Drivers(gpio.NewChips(log)),
		"docs/first-hour.md": {sim.Driver()},
	}
}

// The steps of the guide are complete only if no driver is missing where they lead: in reference.toml, and in the page of
// its kind.
func TestEveryDriverIsDocumented(t *testing.T) {
	reference := read(t, "configs/reference.toml")
	registry := gateway.NewHardware(slog.New(slog.DiscardHandler)).Registry
	left := map[string]bool{}
	for _, name := range registry.Names() {
		left[name] = true
		if !strings.Contains(reference, "device.NAME ("+name+")") && !strings.Contains(reference, `"`+name+`"`) {
			t.Errorf("configs/reference.toml does not have the driver %s: step 6 of %s", name, guide)
		}
	}
	for page, list := range kinds() {
		text := read(t, page)
		for _, d := range list {
			delete(left, d.Name)
			if !strings.Contains(text, "`"+d.Name+"`") && !strings.Contains(text, `"`+d.Name+`"`) {
				t.Errorf("%s does not have the driver %s: step 7 of %s", page, d.Name, guide)
			}
		}
	}
	for name := range left {
		t.Errorf("the driver %s belongs to no page: kinds in this test has no line for its package", name)
	}
}
