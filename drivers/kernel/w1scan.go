package kernel

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Probe is a chip on a 1-Wire bus that the kernel knows and a driver of ours reads.
type Probe struct {
	ID     string // "28-01193a4b2c3d"
	Chip   string // "DS18B20"
	Driver string // ours
	Keys   string // the other lines of its table in the configuration
}

// Probes lists the 1-Wire chips of the machine.
func Probes() ([]Probe, error) { return sysfs("/sys").probes() }

func (s sysfs) probes() (all []Probe, err error) {
	dirs, err := filepath.Glob(filepath.Join(string(s), "bus/w1/devices/??-????????????"))
	for _, dir := range dirs {
		id := filepath.Base(dir)
		family, _, _ := strings.Cut(id, "-")
		if f, ok := w1Families[family]; ok {
			all = append(all, Probe{id, f.chip, "w1", fmt.Sprintf("id = %q\n", id)})
		}
		if x, ok := w1Switches[family]; ok {
			var pins []string
			for _, name := range x.names {
				pins = append(pins, fmt.Sprintf("%s = { pin = %q }", strings.ToLower(name), name))
			}
			chip := map[string]string{"29": "DS2408", "3a": "DS2413"}[family]
			all = append(all, Probe{id, chip, "w1-switch", fmt.Sprintf("id = %q\nchannels = { %s }\n", id, strings.Join(pins, ", "))})
		}
	}
	return all, err
}
