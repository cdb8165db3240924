package homeassistant

import (
	"slices"
	"strings"

	"sensorgate/internal/describe"
)

// keys is the configuration of one entity.
type keys map[string]any

// entity is one entity of a device.
type entity struct {
	id        string // in topics and unique_id, below its device
	component string
	keys      keys
}

// component chooses what a channel is in Home Assistant.
func component(c *describe.Channel) string {
	switch {
	case c.HA.Component != "":
		return c.HA.Component
	case c.Writable && len(c.Values) == 1:
		return "button"
	case c.Kind == "event" && c.Values != nil:
		return "event"
	case c.Writable && len(c.Values) == 2:
		switch c.Class {
		case "valve", "lock":
			return c.Class
		}
		return "switch"
	case c.Writable && len(c.Values) > 2:
		return "select"
	case c.Writable && c.Type == describe.TypeNumber && c.Kind != "total":
		return "number"
	case len(c.Values) == 2 && (c.Type == describe.TypeBoolean || onWord(c) != ""):
		return "binary_sensor"
	}
	return "sensor"
}

// onWords are the words of two-valued states that Home Assistant counts as on: of a door
// that is open, of a lock that is open (components/binary_sensor/const.py).
var onWords = []string{"on", "open", "unlocked", "wet", "motion", "present", "vibration", "smoke", "alarm", "tampered", "fault", "running", "up", "true", "active", "yes"}

func onWord(c *describe.Channel) string {
	for _, v := range c.Values {
		if slices.Contains(onWords, strings.ToLower(v)) {
			return v
		}
	}
	return ""
}

// binaryClass is Home Assistant's class for ours.
var binaryClass = map[string]string{
	"gate": "garage_door", "garage": "garage_door", "leak": "moisture", "fault": "problem", "alarm": "problem", "contact": "opening",
	"switch": "", "float": "",
}

// entityOf makes the entity of a channel.
func (m *maker) entityOf(d *describe.Device, c *describe.Channel) entity {
	e := entity{id: ID(c.Name), component: component(c), keys: keys{}}
	k := e.keys
	if c.Topic != "" {
		k["state_topic"] = m.topic(c.Topic)
	} else {
		k["state_topic"] = m.topic(d.Topic)
	}
	if c.Writable && e.component != "sensor" && e.component != "binary_sensor" && e.component != "event" {
		k["command_topic"] = m.topic(c.SetTopic)
	}
	switch e.component {
	case "sensor":
		m.sensor(d, c, k)
	case "binary_sensor":
		binarySensor(c, k)
	case "number":
		number(c, k)
	case "select":
		k["options"] = optionsOf(c)
		put(k, "value_template", template(c, false))
	case "button":
		delete(k, "state_topic")
		if v := optionsOf(c); len(v) > 0 {
			k["payload_press"] = v[0]
		}
	case "event":
		k["event_types"] = words2(c)
		k["value_template"] = eventTemplate(c)
		if c.Class == "button" || c.Class == "doorbell" || c.Class == "motion" {
			k["device_class"] = c.Class
		}
	default:
		m.twoStates(c, e.component, k)
	}
	m.common(d, c, &e)
	return e
}

func put(k keys, key, v string) {
	if v != "" {
		k[key] = v
	}
}

// optionsOf are the words that a channel can be or be set to.
func optionsOf(c *describe.Channel) []string {
	if len(c.HA.Options) > 0 {
		return c.HA.Options
	}
	return words2(c)
}

// words2 are a channel's values as its templates render them.
func words2(c *describe.Channel) []string {
	if c.Type == describe.TypeBoolean {
		return []string{"on", "off"}
	}
	return c.Values
}

func (m *maker) sensor(d *describe.Device, c *describe.Channel, k keys) {
	if options := optionsOf(c); len(options) > 0 && c.Kind != "event" {
		k["device_class"], k["options"] = "enum", options
		put(k, "value_template", template(c, false))
		return
	}
	q := measure(d, c)
	if c.Type == describe.TypeText {
		q = measured{}
	}
	numeric := q.state != "" || q.unit != "" || q.class != ""
	put(k, "value_template", template(c, numeric))
	put(k, "unit_of_measurement", q.unit)
	q = known(q, m.oldest(), c.HA.DeviceClass != nil)
	put(k, "device_class", q.class)
	put(k, "state_class", q.state)
	if c.Digits != nil && numeric {
		k["suggested_display_precision"] = max(0, *c.Digits)
	}
	if after := expireAfter(c); after > 0 && c.Kind != "state" && c.Kind != "event" {
		k["expire_after"] = after
	}
}

// expireAfter is after how many seconds without a message a value is no longer that of
// now; 0: nobody can say.
func expireAfter(c *describe.Channel) int {
	if c.Every <= 0 {
		return 0
	}
	return int(c.Every*3) + 20
}

func binarySensor(c *describe.Channel, k keys) {
	on, off := states(c)
	k["payload_on"], k["payload_off"] = on, off
	put(k, "value_template", template(c, false))
	class, ours := binaryClass[c.Class]
	if !ours && allows(classesOf["binary_sensor"], c.Class) {
		class = c.Class
	}
	if class == "" && !ours && c.Name != "state" {
		class = classOfName(c)
	}
	put(k, "device_class", class)
}

// classOfName finds a class in the name of a channel with true and false.
func classOfName(c *describe.Channel) string {
	w := wordsOf(c.Name)
	return first(w, "door:door", "window:window", "motion:motion", "presence target occupancy:occupancy", "leak moisture:moisture",
		"smoke:smoke", "alarm fault error problem warning:problem", "running:running", "tamper:tamper", "vibration:vibration", "plug:plug")
}

// states are the words of on and off, as the template renders them.
func states(c *describe.Channel) (on, off string) {
	v := words2(c)
	if len(v) != 2 {
		return "on", "off"
	}
	on, off = v[0], v[1]
	if w := onWord(c); w != "" && w == off && c.Type != describe.TypeBoolean {
		on, off = off, on
	}
	return on, off
}

// twoStates fills in a switch, a valve or a lock.
func (m *maker) twoStates(c *describe.Channel, component string, k keys) {
	v := words2(c)
	if len(v) != 2 {
		v = []string{"on", "off"}
	}
	on, off := v[0], v[1]
	put(k, "value_template", template(c, false))
	k["optimistic"] = false // a refused command leaves it where it was
	switch component {
	case "valve":
		k["payload_open"], k["payload_close"], k["state_open"], k["state_closed"] = on, off, on, off
		k["reports_position"] = false
	case "lock":
		k["payload_lock"], k["payload_unlock"], k["state_locked"], k["state_unlocked"] = on, off, on, off
	default:
		k["payload_on"], k["payload_off"], k["state_on"], k["state_off"] = on, off, on, off
		if c.Class == "outlet" {
			k["device_class"] = "outlet"
		}
	}
}

func number(c *describe.Channel, k keys) {
	put(k, "value_template", template(c, true))
	put(k, "unit_of_measurement", c.Unit)
	if right := spellings[c.Unit]; right != "" {
		k["unit_of_measurement"] = right
	}
	low, high := 0.0, 0.0
	if r := c.Range; r != nil {
		low, high = r[0], r[1]
	}
	if c.HA.Min != nil {
		low = *c.HA.Min
	}
	if c.HA.Max != nil {
		high = *c.HA.Max
	}
	k["min"], k["max"], k["mode"] = low, high, "box"
	k["step"] = stepOf(c, high-low)
	k["optimistic"] = false
}

// stepOf is how finely a number can be set.
func stepOf(c *describe.Channel, span float64) float64 {
	if c.HA.Step != nil {
		return *c.HA.Step
	}
	step := 0.1
	if c.Digits != nil {
		step = 1
		for range max(0, min(3, *c.Digits)) {
			step /= 10
		}
	} else if span >= 1000 {
		step = 1
	}
	return step
}

// common fills in what every entity has, and what the file says instead.
func (m *maker) common(d *describe.Device, c *describe.Channel, e *entity) {
	k, ha := e.keys, &c.HA
	k["name"] = strings.ReplaceAll(c.Name, "_", " ")
	if len(d.Channels) == 1 && c.Name == "state" || c.Name == deviceName(d) {
		k["name"] = nil // it is what the device is
	}
	if ha.Name != "" {
		k["name"] = ha.Name
	}
	m.identify(d, e)
	m.available(d, c.Name, k)
	override(k, "device_class", ha.DeviceClass)
	override(k, "state_class", ha.StateClass)
	override(k, "unit_of_measurement", ha.Unit)
	put(k, "icon", ha.Icon)
	put(k, "entity_category", ha.Category)
	if ha.Enabled != nil && !*ha.Enabled {
		k["enabled_by_default"] = false
	}
}

// override puts what the file says over what we found; "" is none.
func override(k keys, key string, v *string) {
	switch {
	case v == nil:
	case *v == "":
		delete(k, key)
	default:
		k[key] = *v
	}
}
