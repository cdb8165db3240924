package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A model is found by maker, kind, quantity and driver, and by several of them at once.
func TestModelListFinds(t *testing.T) {
	for _, c := range []struct {
		words     []string
		has, lack string
	}{
		{[]string{"huawei"}, "huawei/sun2000", "eastron/sdm630"},
		{[]string{"inverter"}, "deye/hybrid-1p", "dsmr/p1"},
		{[]string{"state_of_charge"}, "huawei/luna2000", "eastron/sdm630"},
		{[]string{"sml"}, "iskra/mt175", "eastron/sdm630"},
		{[]string{"modbus", "Battery", "huawei"}, "huawei/luna2000", "victron/gx-battery"},
	} {
		out, err := commandOutput(t.Context(), append([]string{"model", "list"}, c.words...)...)
		if err != nil || !strings.Contains(out, c.has) || strings.Contains(out, c.lack) {
			t.Errorf("model list %v: %v, want %s and no %s in\n%s", c.words, err, c.has, c.lack, out)
		}
	}
	if _, err := commandOutput(t.Context(), "model", "list", "huawei", "toaster"); err == nil {
		t.Error("a toaster was found")
	}
}

// check and model show print how well a model is known.
func TestProvenanceIsShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\n[device.a]\nmodel = \"carlo-gavazzi/em24\"\nserial = { port = \"/dev/null\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "-c", file}, {"model", "show", "carlo-gavazzi/em24"}} {
		out, err := commandOutput(t.Context(), args...)
		if err != nil || !strings.Contains(out, "13 of 15 channels are confirmed") || !strings.Contains(out, "one source: apparent_power") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestModelRecordsNamesMBusRecords(t *testing.T) {
	out, err := commandOutput(t.Context(), "model", "records")
	for _, want := range []string{"flow_temperature", "m³/h", "energy ", "humidity", "firmware_version"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s (%v)", want, out, err)
		}
	}
}
