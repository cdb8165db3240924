package spi

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"sensorgate/drivers"
)

// docs/hardware.md lists every chip with its channels.
func TestHardwareDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/hardware.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Drivers(NewBuses(slog.New(slog.DiscardHandler))) {
		_, row, found := strings.Cut(string(text), "| `"+d.Name+"` |")
		row, _, _ = strings.Cut(row, "\n")
		_, quantities, _ := strings.Cut(string(text), "## By quantity")
		if quantities, _, _ = strings.Cut(quantities, "\n## "); !strings.Contains(quantities, "`"+d.Name+"`") {
			t.Errorf("docs/hardware.md: the table by quantity does not have %s", d.Name)
		}
		if !found {
			t.Errorf("%s is not in docs/hardware.md", d.Name)
		}
		channels := d.Channels
		if o, ok := d.Options().(drivers.Outputter); ok {
			channels = append(channels, o.Outputs()...)
		}
		for _, c := range channels {
			if !strings.Contains(row, strings.TrimSpace(c.Name+" "+c.Unit)) {
				t.Errorf("docs/hardware.md: %s has %s %s too", d.Name, c.Name, c.Unit)
			}
		}
	}
}

// The defaults are right, and a select is claimed.
func TestOptions(t *testing.T) {
	all := map[string]drivers.Driver{}
	for _, d := range Drivers(NewBuses(slog.New(slog.DiscardHandler))) {
		all[d.Name] = d
		if err := d.Options().(drivers.Checker).Check(); err != nil {
			t.Errorf("%s: its defaults are refused: %v", d.Name, err)
		}
		if claims := d.Options().(drivers.Claimer).Claims(); len(claims) != 1 || claims[0].Kind != "spi" || claims[0].ID != "0.0" {
			t.Errorf("%s claims %v", d.Name, claims)
		}
	}
	if len(all) != 13 {
		t.Errorf("%d drivers, want 13", len(all))
	}
}
