package homeassistant

import (
	"bytes"
	"encoding/json"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/discovery"
)

// Options are what the documents depend on besides the description of the node.
type Options struct {
	config.HomeAssistant        // its ID may be "": the node's name
	Version              string // of this program
	TopicPrefix          string // of all topics at the broker where Home Assistant is
}

const originName = "sensorgate"

// maker makes the documents of one node.
type maker struct {
	node *describe.Node
	opt  Options
	id   string // of the node
}

func newMaker(n *describe.Node, o Options) *maker {
	m := &maker{node: n, opt: o, id: ID(o.ID)}
	if o.ID == "" {
		m.id = ID(n.Name)
	}
	if m.opt.Prefix == "" {
		m.opt.Prefix = "homeassistant"
	}
	return m
}

// ID is a name as a level of a discovery topic and in identifiers: what may not be there
// becomes an underscore (components/mqtt/discovery.py, TOPIC_MATCHER).
func ID(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

// Documents describes the node: the gateway first, because its devices refer to it.
func Documents(n *describe.Node, o Options) []discovery.Document {
	m := newMaker(n, o)
	var docs []discovery.Document
	for _, u := range m.units() {
		docs = append(docs, m.documents(&u)...)
	}
	return docs
}

// unit is one device as Home Assistant sees it: a device of ours, or the gateway.
type unit struct {
	id       string // "barn-pi_grid"
	info     keys
	avail    []keys // of what has none of its own
	entities []entity
}

func (m *maker) units() []unit {
	units := []unit{m.gateway()}
	for i := range m.node.Devices {
		d := &m.node.Devices[i]
		if d.HA.LeaveOut {
			continue
		}
		if u := m.device(d); len(u.entities) > 0 {
			units = append(units, u)
		}
	}
	return units
}

func (m *maker) topic(t string) string { return m.opt.TopicPrefix + t }

func (m *maker) deviceID(d *describe.Device) string { return m.id + "_" + ID(d.Name) }

func deviceName(d *describe.Device) string {
	if d.HA.Name != "" {
		return d.HA.Name
	}
	return d.Name
}

func (m *maker) device(d *describe.Device) unit {
	u := unit{id: m.deviceID(d), avail: m.availability(d, deviceAvailable)}
	u.info = keys{"identifiers": []string{u.id}, "name": deviceName(d), "via_device": m.id}
	maker, product := d.HA.Maker, d.HA.Model
	if maker == "" {
		maker = d.Maker
	}
	if product == "" {
		product = d.Product
	}
	put(u.info, "manufacturer", maker)
	put(u.info, "model", product)
	put(u.info, "suggested_area", d.HA.Area)
	for i := range d.Channels {
		c := &d.Channels[i]
		if c.HA.LeaveOut || c.NoWay != nil {
			continue
		}
		u.entities = append(u.entities, m.entityOf(d, c))
	}
	if e, ok := m.tracker(d); ok {
		u.entities = append(u.entities, e)
	}
	if m.opt.Diagnostics && len(u.entities) > 0 {
		u.entities = append(u.entities, m.deviceDiagnostics(d)...)
	}
	return u
}

// identify sets the identity of an entity, which never changes while names stay.
func (m *maker) identify(d *describe.Device, e *entity) {
	e.keys["unique_id"] = m.deviceID(d) + "_" + e.id
}

// availability: the gateway and the device must both be there. Of a list with the same
// topic twice only the last entry counts, so the channel's is the device's with more in it.
func (m *maker) availability(d *describe.Device, template string) []keys {
	return []keys{
		{"topic": m.topic(m.node.StatusTopic)},
		{"topic": m.topic(d.StatusTopic), "value_template": template},
	}
}

func (m *maker) available(d *describe.Device, channel string, k keys) {
	k["availability"], k["availability_mode"] = m.availability(d, channelAvailable(channel)), "all"
}

func (m *maker) origin() keys {
	o := keys{"name": originName}
	put(o, "sw_version", m.opt.Version)
	return o
}

// documents makes the messages of one unit.
func (m *maker) documents(u *unit) []discovery.Document {
	if m.opt.Form == FormSingle {
		return m.single(u)
	}
	parts, components := discovery.Parts{}, map[string]keys{}
	for _, e := range u.entities {
		parts[e.id] = e.component
		k := keys{"platform": e.component}
		for key, v := range e.keys {
			k[key] = v
		}
		components[e.id] = k
	}
	root := keys{"device": u.info, "origin": m.origin(), "components": components}
	if len(u.avail) > 0 {
		root["availability"], root["availability_mode"] = u.avail, "all"
	}
	return []discovery.Document{{Topic: m.opt.Prefix + "/device/" + u.id + "/config", Payload: marshal(root), Parts: parts}}
}

// single makes a message for each entity, under the topic from which an entity can move to
// the message of the device: .../COMPONENT/DEVICE/ENTITY/config.
func (m *maker) single(u *unit) (docs []discovery.Document) {
	for _, e := range u.entities {
		k := keys{"device": u.info, "origin": m.origin()}
		for key, v := range e.keys {
			k[key] = v
		}
		if k["availability"] == nil && len(u.avail) > 0 {
			k["availability"], k["availability_mode"] = u.avail, "all"
		}
		docs = append(docs, discovery.Document{Topic: m.opt.Prefix + "/" + e.component + "/" + u.id + "/" + e.id + "/config", Payload: marshal(k)})
	}
	return docs
}

// The forms of the documents.
const (
	FormDevice = config.FormDevice
	FormSingle = config.FormSingle
)

// marshal writes JSON with its members in the order of their names, so that the same
// description is the same bytes.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // texts, numbers and lists of them are always JSON
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
