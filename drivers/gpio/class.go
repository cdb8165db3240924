package gpio

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
)

// class has the words for the two levels that people use for the thing on the line.
type class struct {
	name, active, inactive string
	kind                   drivers.Kind
}

// A contact is active when it is closed: with pull = "up" and a switch to ground,
// active = "low". So a door whose reed contact is closed by its magnet is "closed".
var inputClasses = []class{
	{"switch", "on", "off", drivers.State},
	{"contact", "closed", "open", drivers.State},
	{"door", "closed", "open", drivers.State},
	{"window", "closed", "open", drivers.State},
	{"gate", "closed", "open", drivers.State},
	{"garage", "closed", "open", drivers.State},
	{"lock", "locked", "unlocked", drivers.State},
	{"float", "up", "down", drivers.State},
	{"leak", "wet", "dry", drivers.State},
	{"motion", "motion", "clear", drivers.State},
	{"presence", "present", "absent", drivers.State},
	{"vibration", "vibration", "clear", drivers.State},
	{"smoke", "smoke", "clear", drivers.State},
	{"alarm", "alarm", "ok", drivers.State},
	{"tamper", "tampered", "ok", drivers.State},
	{"fault", "fault", "ok", drivers.State},
	{"power", "on", "off", drivers.State},
	{"running", "running", "stopped", drivers.State},
	{"button", "pressed", "released", drivers.Event}, // a retained press would be pressed again at every reconnect
}

var outputClasses = []class{
	{"switch", "on", "off", drivers.State},
	{"relay", "on", "off", drivers.State},
	{"light", "on", "off", drivers.State},
	{"pump", "on", "off", drivers.State},
	{"fan", "on", "off", drivers.State},
	{"heater", "on", "off", drivers.State},
	{"siren", "on", "off", drivers.State},
	{"valve", "open", "closed", drivers.State},
	{"lock", "locked", "unlocked", drivers.State},
}

// InputClass is the class option of an input.
type InputClass struct{ class }

// UnmarshalText reads the configuration's word.
func (c *InputClass) UnmarshalText(b []byte) error { return c.lookup(inputClasses, string(b)) }

// OutputClass is the class option of an output.
type OutputClass struct{ class }

// UnmarshalText reads the configuration's word.
func (c *OutputClass) UnmarshalText(b []byte) error { return c.lookup(outputClasses, string(b)) }

func (c *class) lookup(table []class, name string) error {
	i := slices.IndexFunc(table, func(k class) bool { return k.name == name })
	if i < 0 {
		names := make([]string, len(table))
		for i, k := range table {
			names[i] = k.name
		}
		return fmt.Errorf("found %q, expected one of %s", name, strings.Join(names, ", "))
	}
	*c = table[i]
	return nil
}

// value is the reading for a level.
func (c class) value(active bool) drivers.Value {
	if active {
		return drivers.Text(c.active)
	}
	return drivers.Text(c.inactive)
}

// words are both states, the active one first.
func (c class) words() []string { return []string{c.active, c.inactive} }

func (c class) word(active bool) string {
	if active {
		return c.active
	}
	return c.inactive
}

// parse reads a wanted state in any of the forms people send.
func (c class) parse(payload []byte) (active bool, err error) {
	switch s := strings.ToLower(strings.Trim(strings.TrimSpace(string(payload)), `"`)); s {
	case c.active, "on", "true", "1":
		return true, nil
	case c.inactive, "off", "false", "0":
		return false, nil
	case "toggle", "":
		// QoS 1 may deliver it twice.
		return false, fmt.Errorf("%w: %q is not an end state (send %s or %s)", drivers.ErrRefused, s, c.active, c.inactive)
	default:
		return false, fmt.Errorf("%w: found %.40q, expected %s or %s", drivers.ErrRefused, s, c.active, c.inactive)
	}
}
