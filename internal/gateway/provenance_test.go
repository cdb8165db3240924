package gateway

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"sensorgate/internal/config"
)

var updateModels = flag.Bool("update", false, "write docs/models.md anew")

// modbusModels are the models of the binary for Modbus.
func modbusModels(t *testing.T) []config.Model {
	t.Helper()
	models := config.Models(wireCatalogue(t), t.TempDir())
	return slices.DeleteFunc(models, func(m config.Model) bool { return m.Driver != "modbus" })
}

// Every Modbus model says where its registers come from, and how well each is confirmed.
func TestModbusModelsNameTheirSources(t *testing.T) {
	channels, confirmed := 0, 0
	for _, m := range modbusModels(t) {
		if len(m.Sources) == 0 {
			t.Errorf("%s has no sources", m.Name)
		}
		for _, s := range m.Sources {
			if !strings.HasPrefix(s, "maker: ") && !strings.HasPrefix(s, "project: ") {
				t.Errorf("%s: source %q is neither the maker's nor a project's", m.Name, s)
			}
		}
		for _, c := range append(slices.Clone(m.OneSource), m.Unconfirmed...) {
			if !slices.Contains(m.Channels, c) {
				t.Errorf("%s: %s is marked and is no channel", m.Name, c)
			}
		}
		for _, c := range m.Channels {
			channels++
			if how := m.Confirmation(c); how == "two" || how == "maker" {
				confirmed++
			}
		}
	}
	if 100*confirmed < 90*channels {
		t.Errorf("only %d of %d channels are confirmed by two sources or the maker's document, want 90 %%", confirmed, channels)
	}
	t.Logf("%d of %d channels are confirmed by two sources or the maker's document", confirmed, channels)
}

// docs/models.md is made of the models.
func TestModelsPageIsUpToDate(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(`# Modbus models and how well they are confirmed

Made by ` + "`go test ./internal/gateway -run ModelsPage -update`" + ` of the files below ` + "`drivers/modbus/models`" + `; ` + "`sensorgate model show NAME`" + ` prints
one. None has been tried on the real device by us: please report how it goes.

A register is confirmed by **two** independent sources that agree, by the **maker**'s own document alone, or by **one** project.
What one project copied from another counts once. Channels of which only one source knows are named.

| model | what | channels | confirmed | sources |
|---|---|---|---|---|
`)
	models, channels := modbusModels(t), 0
	for _, m := range models {
		counts := map[string]int{}
		for _, c := range m.Channels {
			counts[m.Confirmation(c)]++
		}
		channels += len(m.Channels)
		var how []string
		for _, kind := range []string{"two", "maker", "one", "none"} {
			if counts[kind] > 0 {
				how = append(how, fmt.Sprintf("%s: %d", kind, counts[kind]))
			}
		}
		if len(m.OneSource) > 0 {
			how = append(how, "one source: "+strings.Join(m.OneSource, ", "))
		}
		if len(m.Unconfirmed) > 0 {
			how = append(how, "unconfirmed: "+strings.Join(m.Unconfirmed, ", "))
		}
		fmt.Fprintf(&page, "| `%s` | %s | %d | %s | %s |\n", m.Name, m.Title, len(m.Channels), strings.Join(how, "; "), strings.Join(m.Sources, "; "))
	}
	fmt.Fprintf(&page, "\n%d models, %d channels.\n", len(models), channels)
	const path = "../../docs/models.md"
	if *updateModels {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, page.Bytes()) {
		t.Errorf("docs/models.md is not what the models say (go test ./internal/gateway -run ModelsPage -update): %v", err)
	}
}
