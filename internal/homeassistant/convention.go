package homeassistant

import (
	"encoding/json"
	"strings"

	"sensorgate/internal/discovery"
)

// Convention is how Home Assistant learns of what is gone. Prefix is that of discovery.
type Convention struct{ Prefix string }

// Without declares components gone, with their platform alone
// (home-assistant.io, integrations/mqtt, "Device discovery payload"; merely leaving them
// out removes nothing).
func (c Convention) Without(d *discovery.Document, parts discovery.Parts) []byte {
	var root map[string]json.RawMessage
	var components map[string]json.RawMessage
	if json.Unmarshal(d.Payload, &root) != nil || json.Unmarshal(root["components"], &components) != nil {
		return nil
	}
	for id, platform := range parts {
		components[id] = marshal(keys{"platform": platform})
	}
	root["components"] = marshal(components)
	return marshal(root)
}

// migrate is all that may be on a topic that another one takes over.
var migrate = []byte(`{"migrate_discovery":true}`)

// Moving: an entity keeps its history when it moves from a message of its own to that of
// its device, and back. The two belong together if .../sensor/NODE/OBJ/config has become
// OBJ in .../device/NODE/config.
func (c Convention) Moving(topic string, parts discovery.Parts, wanted []discovery.Document) []byte {
	kind, node, object, ok := c.split(topic)
	if !ok {
		return nil
	}
	for i := range wanted {
		k, n, o, ok := c.split(wanted[i].Topic)
		switch {
		case !ok || n != node:
		case kind != "device" && k == "device" && wanted[i].Parts[object] == kind,
			kind == "device" && k != "device" && parts[o] == k:
			return migrate
		}
	}
	return nil
}

// split takes a discovery topic apart; object is "" for that of a device.
func (c Convention) split(topic string) (kind, node, object string, ok bool) {
	rest, ok := strings.CutPrefix(topic, c.Prefix+"/")
	levels := strings.Split(rest, "/")
	if !ok || levels[len(levels)-1] != "config" {
		return "", "", "", false
	}
	switch {
	case len(levels) == 3 && levels[0] == "device":
		return "device", levels[1], "", true
	case len(levels) == 4:
		return levels[0], levels[1], levels[2], true
	}
	return "", "", "", false
}

// Before: nothing has to be removed before anything else.
func (Convention) Before(string, string) bool { return false }

// Heralds: each message of discovery says all that it changes.
func (Convention) Heralds(string) bool { return false }

// Ours reports whether a retained discovery message is of the node with this id.
func Ours(payload []byte, id string) bool {
	node, ok := Describer(payload)
	return ok && node == id
}

// Describer is the id of the node that has made a discovery message; false if no
// sensorgate has. A message names us as its origin, and its device is the node or is
// reached by it.
func Describer(payload []byte) (id string, ok bool) {
	var p struct {
		Origin struct{ Name string }
		Device struct {
			Identifiers []string
			Via         string `json:"via_device"`
		}
	}
	if json.Unmarshal(payload, &p) != nil || p.Origin.Name != originName {
		return "", false
	}
	if p.Device.Via != "" {
		return p.Device.Via, true
	}
	if len(p.Device.Identifiers) == 1 {
		return p.Device.Identifiers[0], true
	}
	return "", false
}

// Parts are the components of a device's message; nil for one of a single entity.
func Parts(payload []byte) discovery.Parts {
	var p struct {
		Components map[string]struct{ Platform string }
	}
	if json.Unmarshal(payload, &p) != nil || p.Components == nil {
		return discovery.Parts{}
	}
	parts := discovery.Parts{}
	for id, c := range p.Components {
		parts[id] = c.Platform
	}
	return parts
}
