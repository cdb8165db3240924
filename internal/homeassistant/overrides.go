package homeassistant

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
)

// overrides are the keys of a channel's ha = { } that not every component takes, each with
// its name there. The class is judged where its words are.
var overrides = []struct {
	key, name string
	said      func(h *config.HAChannel) bool
}{
	{"state_class", "state_class", func(h *config.HAChannel) bool { return h.StateClass != nil && *h.StateClass != "" }},
	{"unit", "unit_of_measurement", func(h *config.HAChannel) bool { return h.Unit != nil && *h.Unit != "" }},
	{"options", "options", func(h *config.HAChannel) bool { return len(h.Options) > 0 }},
	{"min", "min", func(h *config.HAChannel) bool { return h.Min != nil }},
	{"max", "max", func(h *config.HAChannel) bool { return h.Max != nil }},
	{"step", "step", func(h *config.HAChannel) bool { return h.Step != nil }},
}

// overrideFaults are what the file says to a component that it does not take: Home
// Assistant drops a key that is not declared without a word (schemas.py, REMOVE_EXTRA).
func overrideFaults(ch *describe.Channel, component string, object object) {
	for _, o := range overrides {
		if !o.said(&ch.HA) || allows(entityKeys[component], o.name) || component == "button" && o.key == "options" {
			continue
		}
		object("ha."+o.key, "without "+o.key, "it is a %s in Home Assistant, which has no %s and would drop it without a word", component, o.key)
	}
	if ch.HA.Category == "config" && (component == "sensor" || component == "binary_sensor") {
		// components/sensor/__init__.py and binary_sensor/__init__.py, add_to_platform_start
		object("ha.category", `category = "diagnostic"`, "Home Assistant refuses a %s of the category config: it cannot be set", component)
	}
	if class := ch.HA.DeviceClass; class != nil && *class != "" && entityKeys[component] != "" && !allows(entityKeys[component], "device_class") {
		object("ha.device_class", "without device_class", "a %s of Home Assistant has no class", component)
	}
}

// optionFaults are listed texts that a channel never has, and missing ones that it has:
// Home Assistant ignores a state that is not listed and shows the one before
// (components/mqtt/sensor.py and select.py).
func optionFaults(ch *describe.Channel, object object) {
	said, known := ch.HA.Options, words2(ch)
	for i, o := range said {
		switch {
		case o == "":
			object("ha.options", "without the empty one", "an empty text is no state")
			return
		case slices.Contains(said[:i], o):
			object("ha.options", "each text once", "%q stands there twice", o)
			return
		case ch.Type == describe.TypeNumber && !isNumber(o):
			object("ha.options", "without options", "the values of this channel are numbers, and never %q", o)
			return
		case known != nil && !slices.Contains(known, o):
			object("ha.options", "without options", "this channel is never %q: for Home Assistant it is %s", o, strings.Join(known, ", "))
			return
		}
	}
	for _, k := range known {
		if len(said) > 0 && !slices.Contains(said, k) {
			object("ha.options", "without options", "this channel can be %q as well, and Home Assistant would go on to show what was before", k)
			return
		}
	}
	if len(said) > 0 && ch.Type == describe.TypeNumber && ch.Unit != "" {
		object("ha.options", "without options", "the values of this channel are numbers in %s, and a list of texts has no unit", ch.Unit)
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// rangeFaults: beyond the range of a channel its commands are refused; a state outside of
// what Home Assistant knows is refused there (components/mqtt/number.py).
func rangeFaults(ch *describe.Channel, low, high float64, object object) (warning string) {
	r := ch.Range
	switch {
	case r == nil:
	case low < r[0]:
		object("ha.min", fmt.Sprintf("min = %v", r[0]), "what is below %v is refused by the channel", r[0])
	case high > r[1]:
		object("ha.max", fmt.Sprintf("max = %v", r[1]), "what is above %v is refused by the channel", r[1])
	case low > r[0] || high < r[1]:
		return fmt.Sprintf("Home Assistant would ignore a value outside of %v to %v, and the channel goes from %v to %v", low, high, r[0], r[1])
	}
	return ""
}

// things are words of class that say whose value it is and not what is measured: the
// voltage of a battery, the temperature of water.
var things = []string{"battery", "gas", "water", "power", "current"}

// strayClass is the warning about a class whose units the channel's is not among.
func strayClass(ch *describe.Channel, got string) string {
	units := classUnits[ch.Class]
	if ch.Type != describe.TypeNumber || ch.HA.DeviceClass != nil || units == "" || got == ch.Class || slices.Contains(things, ch.Class) {
		return ""
	}
	if got == "" {
		got = "of no class"
	}
	return fmt.Sprintf("for Home Assistant class %s goes with %s, not with the unit %q: there it is %s", ch.Class, strings.ReplaceAll(listed(units), "-", "none"), ch.Unit, got)
}
