package i2c

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"sensorgate/drivers"
)

// docs/hardware.md lists every chip with its addresses, channels and options.
func TestHardwareDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/hardware.md")
	if err != nil {
		t.Fatal(err)
	}
	_, quantities, _ := strings.Cut(string(text), "## By quantity")
	quantities, _, _ = strings.Cut(quantities, "\n## ")
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			rows[name] = line
		}
	}
	for _, d := range onI2C(NewBuses(slog.New(slog.DiscardHandler)), nil) {
		row, ok := rows[d.Name]
		if !ok {
			t.Errorf("%s is not in docs/hardware.md", d.Name)
			continue
		}
		if !strings.Contains(quantities, "`"+d.Name+"`") {
			t.Errorf("docs/hardware.md: the table by quantity does not have %s", d.Name)
		}
		o := d.Options()
		channels := d.Channels
		if out, ok := o.(drivers.Outputter); ok {
			channels = out.Outputs()
		}
		for _, c := range channels {
			if !strings.Contains(row, strings.TrimSpace(c.Name+" "+c.Unit)) {
				t.Errorf("docs/hardware.md: %s has %s %s too", d.Name, c.Name, c.Unit)
			}
		}
		addrs := o.(interface{ Addresses() []uint16 }).Addresses()
		for _, i := range []int{0, len(addrs) - 1} {
			if len(addrs) > 0 && !strings.Contains(row, fmt.Sprintf("0x%02x", addrs[i])) {
				t.Errorf("docs/hardware.md: %s can be at 0x%02x too", d.Name, addrs[i])
			}
		}
		if cells := strings.Split(row, "|"); strings.TrimSpace(cells[len(cells)-2]) == "" {
			t.Errorf("docs/hardware.md does not say what %s was checked against", d.Name)
		}
	}
}
