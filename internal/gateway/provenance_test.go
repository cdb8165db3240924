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
		for _, c := range slices.Concat(m.OneSource, m.Unconfirmed, m.SetPoints) {
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
	for _, m := range serialModels(t) {
		if len(m.Sources) == 0 {
			t.Errorf("%s has no sources", m.Name)
		}
	}
	if 100*confirmed < 90*channels {
		t.Errorf("only %d of %d channels are confirmed by two sources or the maker's document, want 90 %%", confirmed, channels)
	}
	t.Logf("%d of %d channels are confirmed by two sources or the maker's document", confirmed, channels)
}

// serialModels are the models of the binary for other drivers than Modbus.
func serialModels(t *testing.T) []config.Model {
	t.Helper()
	models := config.Models(wireCatalogue(t), t.TempDir())
	return slices.DeleteFunc(models, func(m config.Model) bool { return m.Driver == "modbus" })
}

// confirmation returns how well the channels of a model are known.
func confirmation(m *config.Model) string {
	counts := map[string]int{}
	for _, c := range m.Channels {
		counts[m.Confirmation(c)]++
	}
	if len(m.Channels) == 0 { // those of the driver
		counts[m.Confirmation("")] = 1
	}
	var how []string
	for _, kind := range []string{"two", "maker", "one", "none"} {
		switch {
		case counts[kind] > 0 && len(m.Channels) == 0:
			how = append(how, kind)
		case counts[kind] > 0:
			how = append(how, fmt.Sprintf("%s: %d", kind, counts[kind]))
		}
	}
	if len(m.OneSource) > 0 {
		how = append(how, "one source: "+strings.Join(m.OneSource, ", "))
	}
	if len(m.Unconfirmed) > 0 {
		how = append(how, "unconfirmed: "+strings.Join(m.Unconfirmed, ", "))
	}
	return strings.Join(how, "; ")
}

// writeModels writes a table of models, and returns how many channels they have.
func writeModels(page *bytes.Buffer, models []config.Model) (channels int) {
	page.WriteString("| model | what | channels | confirmed | sources |\n|---|---|---|---|---|\n")
	for _, m := range models {
		channels += len(m.Channels)
		n := fmt.Sprint(len(m.Channels))
		if len(m.Channels) == 0 {
			n = "those of `" + m.Driver + "`"
		}
		what := m.Title
		if len(m.SetPoints) > 0 {
			what += "; set-points: " + strings.Join(m.SetPoints, ", ")
		}
		fmt.Fprintf(page, "| `%s` | %s | %s | %s | %s |\n", m.Name, what, n, confirmation(&m), strings.Join(m.Sources, "; "))
	}
	return channels
}

// notShipped is what was looked for and is in no model, so that nobody looks again without
// something new.
const notShipped = `
## Not shipped, and why

A model needs two sources that do not copy each other, or the maker's document. Of these there was less, or the sources contradict each other.
Who has one on the wire can describe it in the configuration ([not-listed.md](not-listed.md)) and send us what it showed.

| device | why there is no model |
|---|---|
| Danfoss FC 51, FC 302 | the rule is the maker's (register = 10 × parameter − 1), but for current (16-14) and power (16-10) one source has 16 bits and the others have 32 |
| Schneider Altivar | output frequency is 3202 or 8602, mains voltage 3207 or 3210, thermal state 3207 or 3209, power 3206 or 3211, by source and edition |
| ABB ACS355, ACS550 | the addresses are the maker's (4xxyy = parameter xxyy), the scales are in one project only |
| Yaskawa A1000, V1000 | the unit of the frequency depends on parameter o1-03, and of the monitors there was one project |
| Mitsubishi FR-D, FR-E | the protocol of its own that most of them speak is not Modbus; of its Modbus registers there was one project |
| Huanyang HY | frames that only look like Modbus (own functions, lengths that do not fit) |
| Delta VFD-EL, VFD-F | the decimals of the current differ from series to series, and the sources do not name theirs |
| Veda VF-51, YL620 and inverters of no name | one project each |
| JK BMS | by firmware the block begins at 0x1000 or 0x1200, the voltage of the battery is 0x1290 or 0x12E4, and the state of charge is in the high or the low byte |
| Daly over Modbus, Pace | one project each; Daly's own protocol is here as daly/bms |
| Seplos V2 | text frames whose layout varies with the number of packs; V3 is here |
| soil probes of no name | moisture is register 0 or 18, and its scale 0.1 or 1, under the same names |
| wireless M-Bus receivers iM871A, Amber, RadioCrafts | they speak binary protocols whose documents are not public; those that print text are read by the driver wmbus |
| Itron and Actaris meters other than openway-3hz, optical head | no recording that may be read; a meter of IEC 62056-21 is read with d0 all the same |
`

// docs/models.md is made of the models.
func TestModelsPageIsUpToDate(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(`# Models and how well they are confirmed

Made by ` + "`go test ./internal/gateway -run ModelsPage -update`" + ` of the files below ` + "`drivers/modbus/models` and `drivers/serial/models`" + `;
` + "`sensorgate model show NAME`" + ` prints one, ` + "`sensorgate simulate model NAME`" + ` is one: each is run through that from end to end by the tests. None of
the Modbus models has been tried on the real device by us: please report how it goes.

A register or field is confirmed by **two** independent sources that agree, by the **maker**'s own document or recordings alone, or by **one** project.
What one project copied from another counts once. Channels of which only one source knows are named. Set-points are read like all else, and take
commands once your file says so: ` + "`channels.dhw_comfort_temperature.write = true`" + `, or ` + "`channels.NAME = { write = true }`" + ` in the device's table.

## Modbus

`)
	models, serials := modbusModels(t), serialModels(t)
	channels := writeModels(&page, models)
	fmt.Fprintf(&page, "\n%d models, %d channels.\n\n## Serial lines\n\n", len(models), channels)
	channels = writeModels(&page, serials)
	fmt.Fprintf(&page, "\n%d models, %d channels beside those that their drivers know.\n", len(serials), channels)
	page.WriteString(notShipped)
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
