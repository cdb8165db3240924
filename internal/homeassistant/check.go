package homeassistant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
)

// maxDocument is how large a message may be: Home Assistant has no limit, but brokers in
// clouds begin at 128 KiB.
const maxDocument = 128 << 10

// Check reports what Home Assistant would refuse or misunderstand.
func Check(n *describe.Node, o Options) []config.Objection {
	m := newMaker(n, o)
	c := &checker{m: m, ids: map[string]string{}}
	if strings.ContainsAny(m.opt.Prefix, "+#") || m.opt.Prefix == "" {
		return nil // reported where it is read
	}
	c.id("the gateway", m.id, config.Objection{Table: "homeassistant"})
	for i := range n.Devices {
		d := &n.Devices[i]
		if !d.HA.LeaveOut {
			c.device(d)
		}
	}
	return c.found
}

type checker struct {
	m     *maker
	ids   map[string]string // unique ids and device ids, with whose they are
	found []config.Objection
}

func (c *checker) id(whose, id string, at config.Objection) {
	if other, taken := c.ids[id]; taken {
		at.Problem = fmt.Sprintf("in Home Assistant it would have the identifier %s, which %s has (letters, digits, _ and - are all that can be in it)", id, other)
		at.Try = "another name, or ha = { leave_out = true }"
		c.found = append(c.found, at)
		return
	}
	c.ids[id] = whose
}

func (c *checker) device(d *describe.Device) {
	c.id("device "+d.Name, "device "+c.m.deviceID(d), config.Objection{Device: d.Name})
	for i := range d.Channels {
		if ch := &d.Channels[i]; !ch.HA.LeaveOut {
			c.channel(d, ch)
		}
	}
	u := c.m.device(d)
	for _, doc := range c.m.documents(&u) {
		if len(doc.Payload) > maxDocument {
			c.found = append(c.found, config.Objection{Device: d.Name, Key: "channels",
				Problem: fmt.Sprintf("its description for Home Assistant has %d KiB, and more than %d KiB not every broker takes", len(doc.Payload)>>10, maxDocument>>10),
				Try:     "ha = { leave_out = true } for channels that are not needed there"})
		}
	}
}

func (c *checker) channel(d *describe.Device, ch *describe.Channel) {
	at := config.Objection{Device: d.Name, Channel: ch.Name}
	object := func(key, try, problem string, args ...any) {
		o := at
		o.Key, o.Try, o.Problem = key, try, fmt.Sprintf(problem, args...)
		c.found = append(c.found, o)
	}
	if ch.NoWay != nil {
		object("payload", `payload = "json", or ha = { leave_out = true }`, "Home Assistant cannot find the value: %v", ch.NoWay)
		return
	}
	if what := impossible(ch); what != "" {
		object("ha.component", "without component", "%s", what)
		return
	}
	e := c.m.entityOf(d, ch)
	c.id("channel "+d.Name+"."+ch.Name, e.keys["unique_id"].(string), at)
	c.component(ch, &e, object, func(problem, try string) {
		if problem != "" {
			c.found = append(c.found, config.Objection{Device: d.Name, Channel: ch.Name, Warning: true, Problem: problem, Try: try})
		}
	})
	words := ch.HA
	if words.Icon != "" && !strings.Contains(words.Icon, ":") {
		object("ha.icon", fmt.Sprintf("icon = %q", "mdi:"+words.Icon), "an icon has its collection before it")
	}
	if words.Category != "" && words.Category != "diagnostic" && words.Category != "config" {
		object("ha.category", `category = "diagnostic"`, "found %q, expected diagnostic or config", words.Category)
	}
}

// component reports what its component does not take, and what its user should know.
func (c *checker) component(ch *describe.Channel, e *entity, object object, warn func(problem, try string)) {
	overrideFaults(ch, e.component, object)
	optionFaults(ch, object)
	switch class, _ := e.keys["device_class"].(string); e.component {
	case "number":
		warn(numberFaults(ch, e.keys, object), "without min and max")
	case "sensor":
		sensorFaults(ch, e.keys, object)
		warn(strayClass(ch, class), "class of what is measured, or ha = { device_class = \"\" }")
		if ch.Writable && ch.Kind != "total" && ch.HA.Component == "" {
			warn("Home Assistant shows it and cannot set it: nobody knows what it can be set to", `options = ["…", "…"], or min and max in ha = { }`)
		}
	default:
		if class != "" && allows(entityKeys[e.component], "device_class") && !allows(classesOf[e.component], class) {
			object("ha.device_class", "", "a %s of Home Assistant has no class %q; it has %s", e.component, class, listed(classesOf[e.component]))
		}
	}
}

func listed(list string) string {
	if list == "" {
		return "none"
	}
	return strings.Join(strings.Fields(list), ", ")
}

// impossible is why a channel cannot be the component that the file wants; "" if it can.
func impossible(ch *describe.Channel) string {
	component := ch.HA.Component
	if component == "" {
		return ""
	}
	if _, known := entityKeys[component]; !known || component == "update" || component == "device_tracker" {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(entityKeys)), func(n string) bool { return n == "update" || n == "device_tracker" })
		return fmt.Sprintf("found %q, expected one of %s", component, strings.Join(names, ", "))
	}
	two := len(words2(ch)) == 2
	switch component {
	case "switch", "valve", "lock", "number", "select", "button":
		if !ch.Writable {
			return "a " + component + " takes commands, and this channel does not"
		}
	}
	switch component {
	case "switch", "valve", "lock", "binary_sensor":
		if !two {
			return "a " + component + " has two states, and nobody knows which two this channel has (options = [\"on\", \"off\"])"
		}
	case "select", "button":
		if len(optionsOf(ch)) == 0 {
			return "nobody knows what it can be set to (options = [\"…\"])"
		}
	case "number":
		if ch.Type == describe.TypeBoolean || ch.Type == describe.TypeText {
			return "a number of Home Assistant has numbers, and the values of this channel are none"
		}
	case "event":
		switch {
		case ch.Kind != "event":
			return "an event happens, and a " + ch.Kind + " is said again at each start of Home Assistant (kind = \"event\" at the channel)"
		case len(words2(ch)) == 0:
			return "nobody knows which events there are (options = [\"…\"])"
		}
	}
	return ""
}

type object func(key, try, problem string, args ...any)

func numberFaults(ch *describe.Channel, k keys, object object) (warning string) {
	low, high, step := k["min"].(float64), k["max"].(float64), k["step"].(float64)
	switch {
	case low == 0 && high == 0:
		object("ha", "ha = { min = 0, max = 100 }", "Home Assistant has to know which numbers it can be set to, and would take 1 to 100")
	case low >= high:
		object("ha.min", "", "the smallest value, %v, is not below the largest, %v", low, high)
	case step < 0.001:
		object("ha.step", "step = 0.001", "the step is %v, and Home Assistant refuses less than 0.001", step)
	default:
		warning = rangeFaults(ch, low, high, object)
	}
	class, _ := k["device_class"].(string)
	unit, _ := k["unit_of_measurement"].(string)
	unitFaults(ch, class, unit, object)
	return warning
}

// unitFaults reports whether class and unit of a number go together; false is that they do
// not, which is said.
func unitFaults(ch *describe.Channel, class, unit string, object object) bool {
	units, known := classUnits[class]
	if !known || allows(units, unit) {
		return true
	}
	key := "ha.device_class"
	if ch.HA.DeviceClass == nil {
		key = "ha.unit"
	}
	object(key, "unit = "+quotedFirst(units)+", or another device_class", "Home Assistant refuses class %s with the unit %q; it allows %s", class, unit, strings.ReplaceAll(listed(units), "-", "none"))
	return false
}

func sensorFaults(ch *describe.Channel, k keys, object object) {
	class, _ := k["device_class"].(string)
	unit, _ := k["unit_of_measurement"].(string)
	state, _ := k["state_class"].(string)
	_, numeric := classUnits[class]
	never := neverNumber(class)
	switch {
	case class != "" && !numeric && !slices.Contains(otherClasses, class):
		object("ha.device_class", nearest(class), "Home Assistant has no class %q", class)
		return
	case k["options"] != nil && class != "enum":
		object("ha.device_class", "without device_class", "one of a list of texts is of class enum and of no other: Home Assistant refuses the entity")
		return
	case never && (unit != "" || state != ""):
		object("ha", "without unit and state_class", "what is of class %s has no unit and no state_class: Home Assistant refuses it", class)
		return
	case class == "enum" && k["options"] == nil:
		object("ha.device_class", `options = ["…"]`, "class enum needs the list of its texts")
		return
	case ch.Type == describe.TypeText && !never && (unit != "" || state != "" || class != ""):
		object("ha", "without unit, state_class and device_class", "its values are texts, and with a unit or a class of numbers Home Assistant takes nothing but numbers")
		return
	case ch.Type == describe.TypeNumber && (class == "date" || class == "timestamp"):
		object("ha.device_class", "without device_class", "its values are numbers, and a %s is a text such as 2026-11-23T03:00:00Z", class)
		return
	case !unitFaults(ch, class, unit, object):
		return
	}
	switch states, listedToo := classStates[class]; {
	case state == "":
	case !allows(stateClasses, state):
		object("ha.state_class", `state_class = "measurement"`, "found %q, expected one of %s", state, listed(stateClasses))
	case state == "measurement_angle" && unit != "°":
		object("ha.state_class", `state_class = "measurement"`, "measurement_angle is for degrees")
	case listedToo && !allows(states, state), !listedToo && class != "" && state != "measurement":
		if !listedToo {
			states = "measurement"
		}
		object("ha.state_class", "", "class %s goes with %s, not with %s", class, listed(states), state)
	}
}

// neverNumber reports whether the values of a class are no numbers
// (components/sensor/const.py, NON_NUMERIC_DEVICE_CLASSES).
func neverNumber(class string) bool {
	return class == "enum" || class == "date" || class == "timestamp"
}

func quotedFirst(units string) string {
	u, _, _ := strings.Cut(units, " ")
	if u == "-" {
		u = ""
	}
	return fmt.Sprintf("%q", u)
}

func nearest(class string) string {
	for _, c := range slices.Sorted(maps.Keys(classUnits)) {
		if strings.Contains(c, class) || strings.Contains(class, c) {
			return fmt.Sprintf("device_class = %q", c)
		}
	}
	return ""
}
