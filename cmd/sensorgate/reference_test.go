package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

var update = flag.Bool("update", false, "write the drivers' part of configs/reference.toml anew")

const (
	reference   = "../../configs/reference.toml"
	driversPart = "# ------------------------------------------------- the keys of each driver (made by: go test ./cmd/sensorgate -update)\n"
)

// The reference is correct and complete: it loads without a warning, and mentions
// every key of every table and driver.
func TestReferenceIsCompleteAndLoads(t *testing.T) {
	cat := gateway.NewHardware(discard).Catalogue()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		text = withDrivers(string(text), cat)
		if err := os.WriteFile(reference, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(reference, cat)
	if c == nil || len(problems) > 0 {
		t.Fatalf("reference.toml: %v", problems)
	}
	if missing := config.Missing(cat, string(text)); len(missing) > 0 {
		t.Errorf("reference.toml does not mention %s (keys of drivers: go test ./cmd/sensorgate -run Reference -update)", strings.Join(missing, ", "))
	}
}

// withDrivers puts the drivers' part at the end of the reference.
func withDrivers(text string, cat config.Catalogue) []byte {
	own, _, _ := strings.Cut(text, driversPart)
	var b strings.Builder
	b.WriteString(strings.TrimRight(own, "\n") + "\n\n" + driversPart)
	for _, t := range config.Describe(cat) {
		if strings.Contains(t.Name, "(") || t.Name == "serial.NAME" {
			b.WriteString("#\n" + t.Text())
		}
	}
	return []byte(b.String())
}

// All configurations that come along are correct.
func TestShippedConfigurationsLoad(t *testing.T) {
	entries, err := os.ReadDir("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".toml") {
			continue
		}
		seen++
		if c, problems := config.Load("../../configs/"+e.Name(), gateway.NewHardware(discard).Catalogue()); c == nil || len(problems) > 0 {
			t.Errorf("%s: %v", e.Name(), problems)
		}
	}
	if seen < 5 {
		t.Errorf("only %d configurations", seen)
	}
}
