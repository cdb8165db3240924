package hatest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Config is one entity as Home Assistant takes it from a message.
type Config struct {
	Platform, ID string
	Keys         map[string]any
}

// Text is a key's value, "" if it is no text.
func (c *Config) Text(key string) string {
	s, _ := c.Keys[key].(string)
	return s
}

// Judge collects what is wrong with the messages of one broker.
type Judge struct {
	Prefix   string
	Faults   []string
	Entities []Config

	unique  map[string]string
	devices map[string]bool
	via     map[string]string
}

var discoveryID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (j *Judge) fault(where, format string, args ...any) {
	j.Faults = append(j.Faults, where+": "+fmt.Sprintf(format, args...))
}

func within(list, word string) bool { return slices.Contains(strings.Fields(list), word) }

// Message takes one retained message, in the order in which they come.
func (j *Judge) Message(topic string, payload []byte) {
	if j.unique == nil {
		j.unique, j.devices, j.via = map[string]string{}, map[string]bool{}, map[string]string{}
	}
	levels := strings.Split(strings.TrimPrefix(topic, j.Prefix+"/"), "/")
	if len(levels) < 3 || len(levels) > 4 || levels[len(levels)-1] != "config" {
		j.fault(topic, "is no topic of discovery")
		return
	}
	for _, id := range levels[1 : len(levels)-1] {
		if !discoveryID.MatchString(id) {
			j.fault(topic, "%q is no id", id)
		}
	}
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		j.fault(topic, "%v", err)
		return
	}
	j.device(topic, m["device"])
	if origin, ok := m["origin"].(map[string]any); !ok || origin["name"] == nil {
		j.fault(topic, "no origin with a name")
	}
	if levels[0] != "device" {
		j.old(topic, m)
		j.entity(topic, levels[0], levels[2], m)
		return
	}
	for key := range m {
		if !within(rootKeys, key) {
			j.fault(topic, "key %s: the whole message is refused", key)
		}
	}
	components, _ := m["components"].(map[string]any)
	if len(components) == 0 {
		j.fault(topic, "no components")
	}
	for id, c := range components {
		k, _ := c.(map[string]any)
		if k["availability"] == nil && m["availability"] != nil {
			k["availability"], k["availability_mode"] = m["availability"], m["availability_mode"]
		}
		platform, _ := k["platform"].(string)
		j.entity(topic+" "+id, platform, id, k)
	}
}

// old judges a message of a single entity as the versions do that know no other: they do
// not know what came later.
func (j *Judge) old(topic string, m map[string]any) {
	if class, ok := m["device_class"].(string); ok && strings.Contains(topic, "/sensor/") && !within(classesOf2024, class) {
		j.fault(topic, "versions that need this form have no class %s, and refuse the entity", class)
	}
	if m["state_class"] == "measurement_angle" {
		j.fault(topic, "versions that need this form have no measurement_angle, and refuse the entity")
	}
}

func (j *Judge) device(topic string, v any) {
	d, _ := v.(map[string]any)
	ids, _ := d["identifiers"].([]any)
	if len(ids) == 0 || d["name"] == nil || d["name"] == "" {
		j.fault(topic, "a device without identifiers or name")
		return
	}
	for key := range d {
		if !within(deviceKeys, key) {
			j.fault(topic, "device has %s", key)
		}
	}
	if via, ok := d["via_device"].(string); ok && !j.devices[via] {
		j.fault(topic, "via_device %s is not known yet", via)
	}
	j.devices[ids[0].(string)] = true
}

func (j *Judge) entity(where, platform, id string, k map[string]any) {
	p, known := platforms[platform]
	if !known {
		j.fault(where, "no platform %q", platform)
		return
	}
	for key := range k {
		if !within(common, key) && !within(p.keys, key) {
			j.fault(where, "a %s has no key %s", platform, key)
		}
	}
	for key := range strings.FieldsSeq(p.required) {
		if k[key] == nil {
			j.fault(where, "a %s needs %s", platform, key)
		}
	}
	unique, _ := k["unique_id"].(string)
	if unique == "" || j.unique[unique] != "" {
		j.fault(where, "unique_id %q is empty or that of %s", unique, j.unique[unique])
	}
	j.unique[unique] = where
	c := Config{platform, id, k}
	j.class(where, &c)
	j.special(where, &c)
	j.Entities = append(j.Entities, c)
}

func (j *Judge) class(where string, c *Config) {
	class, unit, state := c.Text("device_class"), strings.ReplaceAll(c.Text("unit_of_measurement"), "µ", "μ"), c.Text("state_class")
	if c.Platform != "sensor" {
		if class != "" && !within(classes[c.Platform], class) {
			j.fault(where, "a %s has no class %s", c.Platform, class)
		}
		return
	}
	allowed, numeric := units[class]
	switch {
	case class == "enum":
		if c.Keys["options"] == nil || unit != "" || state != "" {
			j.fault(where, "enum without options, or with unit or state class")
		}
	case class == "timestamp" || class == "date":
		if unit != "" || state != "" {
			j.fault(where, "%s with unit or state class", class)
		}
	case class != "" && !numeric:
		j.fault(where, "no class %s", class)
	case numeric && !slices.Contains(allowed, unit):
		j.fault(where, "class %s does not allow the unit %q", class, unit)
	}
	if c.Keys["options"] != nil && class != "enum" {
		j.fault(where, "options without enum")
	}
	if numeric && state != "" {
		want := stateClasses[class]
		if want == "" {
			want = "measurement"
		}
		if !within(want, state) {
			j.fault(where, "class %s with state class %s", class, state)
		}
	}
}

func (j *Judge) special(where string, c *Config) {
	switch c.Platform {
	case "number":
		low, _ := c.Keys["min"].(float64)
		high, _ := c.Keys["max"].(float64)
		step, _ := c.Keys["step"].(float64)
		if low >= high || step < 0.001 {
			j.fault(where, "number from %v to %v by %v", low, high, step)
		}
	case "device_tracker":
		if c.Keys["state_topic"] == nil && c.Keys["json_attributes_topic"] == nil {
			j.fault(where, "a device_tracker without a topic")
		}
	case "select", "event":
		for _, key := range []string{"options", "event_types"} {
			if list, ok := c.Keys[key].([]any); ok && len(list) == 0 {
				j.fault(where, "%s is empty", key)
			}
		}
	}
	if list, ok := c.Keys["availability"].([]any); ok {
		seen := map[any]bool{}
		for _, a := range list {
			t := a.(map[string]any)["topic"]
			if seen[t] {
				j.fault(where, "availability has %v twice: the last one wins", t)
			}
			seen[t] = true
		}
		if len(list) > 1 && c.Keys["availability_mode"] != "all" {
			j.fault(where, "availability mode is %v", c.Keys["availability_mode"])
		}
	}
}
