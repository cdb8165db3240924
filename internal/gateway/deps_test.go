package gateway

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// allowed lists which of our packages a package may import, by longest prefix.
// docs/ARCHITECTURE.md has the map and the reasons.
var allowed = map[string][]string{
	// Three layers of serial lines, each on the one before: ports, frames, protocols.
	"drivers/serial/framing":    {"drivers", "drivers/field", "drivers/serial"},
	"drivers/serial/meters":     {"drivers", "drivers/field", "drivers/serial", "drivers/serial/framing"},
	"drivers/serial/serialtest": {"drivers", "drivers/driverstest", "drivers/serial", "drivers/serial/framing"},

	"cmd":                 {"*"},
	"internal/gateway":    {"*"},
	"internal/toml":       {},
	"internal/config":     {"internal/history", "drivers", "broker", "bridge", "internal/toml", "internal/mapping", "internal/mqtt", "internal/journal"},
	"internal/doctor":     {"drivers", "drivers/i2c/bus", "internal/config", "internal/status", "internal/terminal"},
	"internal/mqtttools":  {"internal/mqtt", "internal/terminal"},
	"internal/terminal":   {},
	"internal/mapping":    {"drivers", "internal/mqtt"},
	"internal/varint":     {},
	"internal/mqtt":       {"internal/varint"},
	"internal/disk":       {},
	"internal/journal":    {"internal/disk", "internal/disk/crashdisk", "internal/varint"},
	"internal/describe":   {"drivers", "internal/config", "internal/mapping"},
	"internal/plot":       {},
	"internal/scan":       {"drivers/serial", "drivers/modbus", "drivers/i2c", "drivers/spi", "drivers/gpio", "drivers/kernel"},
	"internal/confd":      {"internal/config", "internal/toml", "internal/disk", "internal/disk/crashdisk"},
	"internal/web":        {"drivers", "internal/mqtt", "internal/confd", "internal/config", "internal/describe", "internal/history", "internal/status", "internal/disk/crashdisk"},
	"internal/web/page":   {},
	"internal/history":    {"internal/disk", "internal/disk/crashdisk"},
	"internal/sdnotify":   {},
	"internal/bench":      {"internal/mqtt"},
	"internal/status":     {"drivers", "internal/mqtt", "internal/journal", "internal/terminal"},
	"drivers":             {},
	"drivers/driverstest": {"drivers"},
	"drivers/":            {"drivers"},
	"drivers/kernel":      {"drivers", "drivers/adapter"},
	"drivers/modbus":      {"drivers", "drivers/serial", "drivers/field"},
	"drivers/serial":      {"drivers", "drivers/field"},
	"drivers/i2c":         {"drivers", "drivers/adapter", "drivers/field", "drivers/i2c/bus", "drivers/i2c/chip", "drivers/spi/bus", "drivers/spi/chip"},
	"drivers/spi":         {"drivers", "drivers/adapter", "drivers/spi/bus", "drivers/spi/chip"},
	"drivers/spi/spitest": {"drivers", "drivers/driverstest", "drivers/spi/bus"},
	"drivers/i2c/i2ctest": {"drivers", "drivers/driverstest", "drivers/field", "drivers/i2c/bus", "drivers/i2c/chip"},
	"deploy/board":        {"deploy/board", "deploy/board/chips", "deploy/board/crash", "deploy/board/hardware", "deploy/board/vhost"},
	"broker":              {"internal/mqtt", "internal/journal", "internal/varint"},
	"broker/permissions":  {"broker/passwd", "internal/mqtt"},
	"broker/budget":       {},
	"broker/topics":       {"internal/mqtt"},
	"broker/poll":         {},
	"broker/passwd":       {"internal/disk"},
	"bridge":              {"internal/mqtt", "internal/journal", "internal/varint"},
	"deploy":              {"internal/mqtt", "internal/web"},

	// What others find us by.
	"internal/discovery":     {},
	"internal/homeassistant": {"drivers", "internal/config", "internal/describe", "internal/discovery", "internal/mapping"},
	"internal/homie":         {"drivers", "internal/config", "internal/describe", "internal/discovery", "internal/mapping"},
}

// importers lists which package alone may import an outside library (and its tests).
var importers = map[string][]string{
	"github.com/BurntSushi/toml":   {"internal/toml"},
	"github.com/eclipse/paho":      {"internal/mqtttools", "broker", "bridge"},
	"go.bug.st/serial":             {"drivers/serial"},
	"periph.io/x/":                 {"drivers/i2c", "drivers/spi", "drivers/gpio"},
	"github.com/spf13/cobra":       {"cmd/sensorgate"},
	"github.com/spf13/pflag":       {"cmd/sensorgate", "internal/mqtttools"},
	"github.com/gorilla/websocket": {"broker", "bridge"},
	"github.com/chromedp/":         {"internal/web/page/browser"},
}

func TestDependencyRules(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "sensorgate/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, "sensorgate/")
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, "sensorgate/"); ours && !mayImport(from, to) {
				t.Errorf("%s imports %s: only internal/gateway connects packages, see docs/ARCHITECTURE.md", from, to)
			}
			for lib, owners := range importers {
				if strings.HasPrefix(imp, lib) && !within(from, owners) {
					t.Errorf("%s imports %s: only %v may", from, imp, owners)
				}
			}
		}
	}
}

func mayImport(from, to string) bool {
	rule, best := []string(nil), -1
	for prefix, r := range allowed {
		if (from == prefix || strings.HasPrefix(from, strings.TrimSuffix(prefix, "/")+"/")) && len(prefix) > best {
			rule, best = r, len(prefix)
		}
	}
	for _, r := range rule {
		// A package may always import what lies in its own folder.
		if r == "*" || r == to {
			return true
		}
	}
	return sameFolder(from, to)
}

// sameFolder: drivers/i2c/chips may import drivers/i2c and the other way round.
func sameFolder(from, to string) bool {
	return strings.HasPrefix(from, to+"/") || strings.HasPrefix(to, from+"/") && from != "drivers"
}

func within(pkg string, owners []string) bool {
	for _, o := range owners {
		if pkg == o || strings.HasPrefix(pkg, o+"/") {
			return true
		}
	}
	return false
}
