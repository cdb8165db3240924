package homie

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/discovery"
)

// nodeID is the one node of a child in version 5.
const nodeID = "channels"

// Model is a node in Homie's terms.
type Model struct {
	opt  config.Homie
	id   string
	name string
	node *describe.Node
}

// New makes the model of a node.
func New(n *describe.Node, o config.Homie) *Model {
	m := &Model{opt: o, id: ID(o.ID), name: n.Name, node: n}
	if o.ID == "" {
		m.id = ID(n.Name)
	}
	return m
}

// ID is a name as Homie allows it: small letters, digits and hyphens, none at the ends
// (4.0.0, "Topic IDs").
func ID(name string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	return strings.Trim(id, "-")
}

// ID is that of the gateway.
func (m *Model) ID() string { return m.id }

// root is where the gateway's own attributes are.
func (m *Model) root() string {
	if m.opt.Version == 4 {
		return m.opt.Domain + "/" + m.id
	}
	return m.opt.Domain + "/5/" + m.id
}

// StateTopic is where the gateway's state is: init, ready, disconnected, or lost by will.
func (m *Model) StateTopic() string { return m.root() + "/$state" }

// child is where the attributes of a device are in version 5.
func (m *Model) child(d *describe.Device) string { return m.root() + "-" + ID(d.Name) }

// ValueTopic is where the value of a channel goes.
func (m *Model) ValueTopic(d *describe.Device, c *describe.Channel) string {
	if m.opt.Version == 4 {
		return m.root() + "/" + ID(d.Name) + "/" + ID(c.Name)
	}
	return m.child(d) + "/" + nodeID + "/" + ID(c.Name)
}

// TargetTopic is where version 5 says what a channel has been set to; "" where there
// is no such topic.
func (m *Model) TargetTopic(d *describe.Device, c *describe.Channel) string {
	if m.opt.Version != 5 || !c.Writable || !Retained(c) {
		return ""
	}
	return m.ValueTopic(d, c) + "/$target"
}

// Retained reports whether the values of a channel are: all but those of events.
func Retained(c *describe.Channel) bool { return c.Kind != "event" }

// Value is the text of a published reading: no blanks, and in version 5 an empty text is
// one zero byte (5.0, "Payload").
func (m *Model) Value(r drivers.Reading) string {
	s := r.Value.String()
	if s == "" && m.opt.Version == 5 {
		return "\x00"
	}
	return s
}

// datatype and format of a channel's values.
func (m *Model) datatype(c *describe.Channel) (kind, format string) {
	switch {
	case c.Type == describe.TypeBoolean:
		return "boolean", ""
	case canBeEnum(c.Values):
		return "enum", strings.Join(c.Values, ",")
	case c.Type == describe.TypeNumber:
		if r := c.Range; r != nil && c.Writable {
			format = number(r[0]) + ":" + number(r[1])
		}
		return "float", format
	}
	return "string", ""
}

// canBeEnum reports whether texts can stand in the format of an enum: none of them empty,
// none twice (5.0, "Formats"), and commas are between them.
func canBeEnum(values []string) bool {
	for i, v := range values {
		if v == "" || strings.Contains(v, ",") || slices.Contains(values[:i], v) {
			return false
		}
	}
	return len(values) > 0
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// unit is ours as Homie writes it.
func unit(u string) string {
	switch u {
	case "l":
		return "L"
	case "l/h":
		return "L/h"
	}
	return u
}

// Documents are all retained topics but the values, which are only listed: they come as
// they are measured. version is that of the descriptions and grows with each change.
func (m *Model) Documents(version int64) []discovery.Document {
	if m.opt.Version == 4 {
		return m.documents4()
	}
	return m.documents5(version)
}

func (m *Model) documents4() (docs []discovery.Document) {
	root := m.root()
	put := func(topic, payload string) {
		docs = append(docs, discovery.Document{Topic: root + "/" + topic, Payload: []byte(payload)})
	}
	put("$state", "init")
	put("$homie", "4.0.0")
	put("$name", m.name)
	put("$implementation", maker)
	put("$extensions", "")
	var nodes []string
	for i := range m.node.Devices {
		d := &m.node.Devices[i]
		if len(d.Channels) == 0 {
			continue
		}
		id := ID(d.Name)
		nodes = append(nodes, id)
		kind := d.Class
		if kind == "" {
			kind = d.Driver
		}
		put(id+"/$name", d.Name)
		put(id+"/$type", kind)
		var properties []string
		for k := range d.Channels {
			c := &d.Channels[k]
			at := id + "/" + ID(c.Name)
			properties = append(properties, ID(c.Name))
			put(at+"/$name", c.Name)
			datatype, format := m.datatype(c)
			put(at+"/$datatype", datatype)
			if format != "" {
				put(at+"/$format", format)
			}
			put(at+"/$settable", strconv.FormatBool(c.Writable))
			put(at+"/$retained", strconv.FormatBool(Retained(c)))
			if c.Unit != "" {
				put(at+"/$unit", unit(c.Unit))
			}
			docs = append(docs, discovery.Document{Topic: m.ValueTopic(d, c), Elsewhere: true})
		}
		put(id+"/$properties", strings.Join(properties, ","))
	}
	put("$nodes", strings.Join(nodes, ","))
	return docs
}

type property struct {
	Name     string `json:"name,omitempty"`
	Datatype string `json:"datatype"`
	Format   string `json:"format,omitempty"`
	Settable *bool  `json:"settable,omitempty"`
	Retained *bool  `json:"retained,omitempty"`
	Unit     string `json:"unit,omitempty"`
}

type node struct {
	Name       string              `json:"name,omitempty"`
	Type       string              `json:"type,omitempty"`
	Properties map[string]property `json:"properties"`
}

type description struct {
	Homie    string          `json:"homie"`
	Version  int64           `json:"version"`
	Name     string          `json:"name"`
	Type     string          `json:"type,omitempty"`
	Nodes    map[string]node `json:"nodes"`
	Children []string        `json:"children,omitempty"`
	Root     string          `json:"root,omitempty"`
	Parent   string          `json:"parent,omitempty"`
}

func (m *Model) documents5(version int64) (docs []discovery.Document) {
	var children []string
	put := func(topic, payload string) {
		docs = append(docs, discovery.Document{Topic: topic, Payload: []byte(payload)})
	}
	put(m.StateTopic(), "init")
	for i := range m.node.Devices {
		d := &m.node.Devices[i]
		if len(d.Channels) == 0 {
			continue
		}
		children = append(children, m.id+"-"+ID(d.Name))
		properties := map[string]property{}
		for k := range d.Channels {
			c := &d.Channels[k]
			p := property{Name: c.Name, Unit: unit(c.Unit)}
			p.Datatype, p.Format = m.datatype(c)
			if c.Writable {
				p.Settable = new(true)
			}
			if !Retained(c) {
				p.Retained = new(false)
			}
			properties[ID(c.Name)] = p
			docs = append(docs, discovery.Document{Topic: m.ValueTopic(d, c), Elsewhere: true},
				discovery.Document{Topic: m.alertTopic(d, c.Name), Elsewhere: true})
			if t := m.TargetTopic(d, c); t != "" {
				docs = append(docs, discovery.Document{Topic: t, Elsewhere: true})
			}
		}
		put(m.child(d)+"/$state", "init")
		put(m.child(d)+"/$description", describeJSON(description{
			Homie: "5.0", Version: version, Name: d.Name, Type: d.Class, Root: m.id, Parent: m.id,
			Nodes: map[string]node{nodeID: {Properties: properties}},
		}))
		docs = append(docs, discovery.Document{Topic: m.alertTopic(d, ""), Elsewhere: true})
	}
	put(m.root()+"/$description", describeJSON(description{Homie: "5.0", Version: version, Name: m.name, Type: maker, Nodes: map[string]node{}, Children: children}))
	return docs
}

func describeJSON(d description) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts and numbers are always JSON
	}
	return string(b)
}

// alertTopic is where version 5 says what is wrong with a channel, or with the device.
func (m *Model) alertTopic(d *describe.Device, channel string) string {
	id := "device"
	if channel != "" {
		id = "channel-" + ID(channel)
	}
	return m.child(d) + "/$alert/" + id
}

// Message is one topic's new value; with no payload it is removed.
type Message struct{ Topic, Payload string }

// States are the messages of how the devices do, by their names: in version 4 the gateway
// is in alert while one of them is not well, in version 5 each child has a state and what is wrong
// with it.
func (m *Model) States(health map[string]drivers.Health) (ms []Message) {
	bad := false
	for i := range m.node.Devices {
		d := &m.node.Devices[i]
		h := health[d.Name]
		bad = bad || h.State != drivers.OK && h.State != drivers.Starting && h.State != ""
		if m.opt.Version == 5 && len(d.Channels) > 0 {
			ms = append(ms, m.childStates(d, h)...)
		}
	}
	state := "ready"
	if bad && m.opt.Version == 4 {
		state = "alert"
	}
	return append(ms, Message{m.StateTopic(), state})
}

var childState = map[drivers.Condition]string{
	"": "init", drivers.Starting: "init", drivers.OK: "ready", drivers.Degraded: "ready",
	drivers.Failing: "lost", drivers.Absent: "lost", drivers.Stuck: "lost", drivers.Stopped: "disconnected",
}

func (m *Model) childStates(d *describe.Device, h drivers.Health) []Message {
	ms := []Message{{m.alertTopic(d, ""), h.Error}}
	failing := map[string]string{}
	for _, c := range h.Channels {
		failing[c.Channel] = c.Error
	}
	for i := range d.Channels {
		ms = append(ms, Message{m.alertTopic(d, d.Channels[i].Name), failing[d.Channels[i].Name]})
	}
	return append(ms, Message{m.child(d) + "/$state", childState[h.State]})
}

// Log is what version 5 says of a device's new state, not retained; false in version 4, which
// has no log.
func (m *Model) Log(device string, h drivers.Health) (Message, bool) {
	d, known := m.node.Device(device)
	if m.opt.Version != 5 || !known || len(d.Channels) == 0 {
		return Message{}, false
	}
	level, text := "warn", string(h.State)
	switch h.State {
	case drivers.OK, drivers.Starting, drivers.Stopped:
		level = "info"
	}
	if h.Error != "" {
		text += ": " + h.Error
	}
	return Message{m.child(d) + "/$log/" + level, text}, true
}

// Check reports what Homie cannot describe: names that are the same in its ids.
func Check(n *describe.Node, o config.Homie) (found []config.Objection) {
	m := New(n, o)
	if m.id == "" {
		return []config.Objection{{Table: "homie", Key: "id", Problem: fmt.Sprintf("nothing of %q may be in an id of Homie: a-z, 0-9 and -", n.Name), Try: `id = "gateway"`}}
	}
	taken := map[string]string{}
	claim := func(id, whose string, at config.Objection) {
		if other := taken[id]; other != "" || strings.HasSuffix(id, "/") {
			at.Problem = fmt.Sprintf("in Homie it would be called %q, as %s is (a-z, 0-9 and - are all that can be in an id)", id[strings.LastIndex(id, "/")+1:], other)
			at.Try = "another name"
			found = append(found, at)
		}
		taken[id] = whose
	}
	for i := range n.Devices {
		d := &n.Devices[i]
		claim("/"+ID(d.Name), "device "+d.Name, config.Objection{Device: d.Name})
		for k := range d.Channels {
			c := &d.Channels[k]
			claim("/"+ID(d.Name)+"/"+ID(c.Name), c.Name, config.Objection{Device: d.Name, Channel: c.Name})
		}
	}
	return found
}

// Convention is how Homie learns of what is gone: the state of a device first (5.0,
// "Removing a device").
type Convention struct{}

// Without: attributes stand on topics of their own.
func (Convention) Without(*discovery.Document, discovery.Parts) []byte { return nil }

// Moving: nothing moves.
func (Convention) Moving(string, discovery.Parts, []discovery.Document) []byte { return nil }

// Before: $state goes before all else, and last what says whose the topics are.
func (Convention) Before(a, b string) bool { return removal(a) < removal(b) }

// Heralds: a device whose nodes or properties change is in init before they do (5.0,
// "Device reconfiguration").
func (Convention) Heralds(topic string) bool { return strings.HasSuffix(topic, "/$state") }

func removal(topic string) int {
	switch {
	case strings.HasSuffix(topic, "/$state"):
		return 0
	case strings.HasSuffix(topic, "/$implementation"), strings.HasSuffix(topic, "/$description"):
		return 2
	}
	return 1
}
