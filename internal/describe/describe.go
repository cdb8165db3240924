// Package describe makes one description of a node from its configuration: devices and
// channels with unit, kind, range and topics. What others are to know of the node is
// made from it: the list of topics, the HTTP API, the page, the discovery of other
// systems. It is plain data; a reload makes another, and Diff reports what changed.
package describe

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
)

// Node is a gateway.
type Node struct {
	Name        string   `json:"name"`
	StatusTopic string   `json:"status_topic"` // "online" or "offline", retained
	StateTopic  string   `json:"state_topic"`  // how the gateway does, retained
	ErrorTopic  string   `json:"error_topic"`  // why the last reload was refused, retained; empty when it was not
	Upstreams   []string `json:"upstreams"`    // bridges, in the order of the file
	Devices     []Device `json:"devices"`      // in the order of the file
}

// Device is one [device.NAME].
type Device struct {
	Name        string    `json:"name"`
	Driver      string    `json:"driver"`
	Summary     string    `json:"summary"` // of the driver: "Bosch BME280: temperature, pressure, humidity"
	Model       string    `json:"model,omitempty"`
	Maker       string    `json:"maker,omitempty"`   // "Eastron", if model or driver name one
	Product     string    `json:"product,omitempty"` // what it is to its maker: "SDM630 three-phase energy meter"
	Via         string    `json:"via"`               // the node that reads it
	Class       string    `json:"class,omitempty"`
	Bus         string    `json:"bus,omitempty"`
	Every       float64   `json:"every_seconds,omitempty"` // expected between two readings; 0: the hardware speaks first
	StatusTopic string    `json:"status_topic"`
	Topic       string    `json:"topic,omitempty"`  // of the one message of all channels; "": each channel has its own
	QoS         byte      `json:"qos,omitempty"`    // of Topic
	Retain      bool      `json:"retain,omitempty"` // of Topic
	Channels    []Channel `json:"channels"`

	HA config.HADevice `json:"-"` // what the file says to Home Assistant
}

// Channel is one quantity.
type Channel struct {
	Name        string     `json:"name"`
	Unit        string     `json:"unit,omitempty"`
	Kind        string     `json:"kind"`             // gauge, total, state, event
	Class       string     `json:"class,omitempty"`  // what it is, as the file or a driver with one such channel says: door, humidity
	Type        string     `json:"type,omitempty"`   // number, boolean or text; "": only the device knows
	Values      []string   `json:"values,omitempty"` // all that a state or event can be; of two the first is on
	Writable    bool       `json:"writable"`
	Range       *[2]Number `json:"range,omitempty"`  // plausible lowest and highest value, as published
	Digits      *int       `json:"digits,omitempty"` // behind the point
	Every       float64    `json:"every_seconds,omitempty"`
	Topic       string     `json:"topic,omitempty"`
	SetTopic    string     `json:"set_topic,omitempty"`
	ResultTopic string     `json:"result_topic,omitempty"`
	QoS         byte       `json:"qos"`
	Retain      bool       `json:"retain"`

	HA      config.HAChannel `json:"-"` // what the file says to Home Assistant
	Payload mapping.Payload  `json:"-"` // the format of its messages
	Place   mapping.Place    `json:"-"` // of the value in the payload
	NoWay   error            `json:"-"` // why its value cannot be found in the payload; nil: Place says where
}

// The types of a Channel.
const (
	TypeNumber  = "number"
	TypeBoolean = "boolean"
	TypeText    = "text"
)

// Number is a limit of a range.
type Number = float64

// Of describes the node of a configuration.
func Of(c *config.Config) Node {
	n := Node{Name: c.Node, StatusTopic: c.Node + "/status", StateTopic: c.Node + "/gateway/state", ErrorTopic: c.Node + "/gateway/config/error", Upstreams: []string{}, Devices: []Device{}}
	for i := range c.Bridges {
		n.Upstreams = append(n.Upstreams, c.Bridges[i].Name)
	}
	for _, d := range c.Devices {
		n.Devices = append(n.Devices, device(d))
	}
	return n
}

func device(d config.Device) Device {
	m := d.Map
	out := Device{
		Name: d.Name, Driver: d.Driver.Name, Summary: d.Driver.Summary, Model: d.Model, Class: m.Class, Bus: m.Bus,
		Every: d.Config.Every.Seconds(), StatusTopic: m.StatusTopic(), Channels: []Channel{}, Via: m.Node,
	}
	out.Maker, out.Product = product(d.Title, d.Model, d.Driver.Summary)
	if d.Described.HA != nil {
		out.HA = *d.Described.HA
	}
	if m.PerDevice {
		out.Topic, out.QoS, out.Retain = m.Topic(""), m.QoS, m.Retain
	}
	for i := range m.Channels {
		out.Channels = append(out.Channels, channel(&d, i))
	}
	return out
}

func channel(d *config.Device, i int) Channel {
	m, c, known, more := &d.Map, d.Map.Channels[i], d.Channels[i], d.Described.Channels[i]
	out := Channel{
		Name: c.Name, Unit: c.Unit, Kind: kindName(c.Kind), Writable: c.Writable, Class: more.Class, Values: known.Values,
		Digits: c.Filters.Digits, Every: expected(c, d.Config).Seconds(), QoS: c.QoS, Retain: c.Retain,
	}
	out.Type = typeOf(&known, d)
	if out.Class == "" && c.Kind >= drivers.State && known.Values != nil && len(m.Channels) == 1 {
		out.Class = m.Class // "door" of an input is what its only channel is
	}
	if more.HA != nil {
		out.HA = *more.HA
	}
	out.Payload = m.PayloadOf(c.Name)
	out.Place, out.NoWay = m.Locate(c.Name)
	if m.PerDevice {
		out.QoS, out.Retain = m.QoS, m.Retain
	} else {
		out.Topic = m.Topic(c.Name)
	}
	if c.Writable {
		out.SetTopic, out.ResultTopic = m.SetTopic(c.Name), m.ResultTopic(c.Name)
	}
	if low, high, ok := limits(&known, d.Config); ok {
		out.Range = published(c.Filters, low, high)
	}
	return out
}

// typeOf is what the values of a channel are, as far as that is known before they come.
func typeOf(c *drivers.Channel, d *config.Device) string {
	asks := d.Driver.ChannelOptions == nil || d.Driver.Name == "modbus" || d.Driver.Name == "sim"
	_, _, hasRange := c.Range()
	switch {
	case slices.Equal(c.Values, drivers.Booleans()):
		return TypeBoolean
	case c.Text, c.Values != nil:
		return TypeText
	case c.Unit != "", c.Kind == drivers.Total, hasRange, asks && c.Kind == drivers.Gauge:
		return TypeNumber
	}
	return ""
}

// limits is the plausible range of a channel, as its driver, its options and the file say.
func limits(c *drivers.Channel, conf drivers.DeviceConfig) (low, high float64, ok bool) {
	low, high, ok = c.Range()
	for i := range conf.Channels {
		cc := &conf.Channels[i]
		if cc.Name != c.Name || cc.Min == nil && cc.Max == nil {
			continue
		}
		if !ok {
			low, high, ok = math.Inf(-1), math.Inf(1), true
		}
		if cc.Min != nil {
			low = max(low, *cc.Min)
		}
		if cc.Max != nil {
			high = min(high, *cc.Max)
		}
	}
	return low, high, ok
}

// product takes maker and product out of a model's title, "Eastron SDM630 three-phase
// energy meter" of eastron/sdm630, or else out of a driver's summary: "Bosch BME280:
// temperature". maker is "" where neither names one.
func product(title, model, summary string) (maker, name string) {
	if title == "" {
		title, _, _ = strings.Cut(summary, ":")
		first, rest, _ := strings.Cut(title, " ")
		part, _, _ := strings.Cut(rest, " ")
		if strings.ContainsAny(part, "0123456789") && first != "" && first[0] >= 'A' && !strings.ContainsAny(first, "-/") {
			return first, rest
		}
		return "", title
	}
	folder, _, _ := strings.Cut(model, "/")
	words := strings.Count(folder, "-") + 1
	parts := strings.SplitN(title, " ", words+1)
	if len(parts) > words && strings.EqualFold(strings.Join(parts[:words], "-"), folder) {
		return strings.Join(parts[:words], " "), parts[words]
	}
	return "", title
}

// expected is how long it takes at most until a value of the channel is published, as
// far as the configuration says; 0: nobody knows.
func expected(c mapping.Channel, conf drivers.DeviceConfig) time.Duration {
	every := conf.Every
	for _, cc := range conf.Channels {
		if cc.Name == c.Name && cc.Every > 0 {
			every = cc.Every
		}
	}
	every = max(every, c.Filters.Every)
	if c.Filters.Deadband > 0 {
		return c.Filters.AtLeast // 0: an unchanged value is never repeated
	}
	return every
}

// published is the range behind the filters. With a calibration by points the device's
// own range says nothing.
func published(f mapping.Filters, low, high float64) *[2]Number {
	if len(f.Points) > 0 {
		return nil
	}
	a, b := drivers.Scale(low, f.Scale, f.Offset), drivers.Scale(high, f.Scale, f.Offset)
	a, b = min(a, b), max(a, b)
	if f.Clamp != nil {
		a, b = max(a, f.Clamp[0]), min(b, f.Clamp[1])
	}
	if math.IsInf(a, 0) || math.IsInf(b, 0) {
		return nil
	}
	return &[2]Number{a, b}
}

func kindName(k drivers.Kind) string {
	switch k {
	case drivers.Total:
		return "total"
	case drivers.State:
		return "state"
	case drivers.Event:
		return "event"
	default:
		return "gauge"
	}
}

// Device returns the device of that name.
func (n *Node) Device(name string) (*Device, bool) {
	for i := range n.Devices {
		if n.Devices[i].Name == name {
			return &n.Devices[i], true
		}
	}
	return nil, false
}

// Channel returns the channel of that name.
func (d *Device) Channel(name string) (*Channel, bool) {
	for i := range d.Channels {
		if d.Channels[i].Name == name {
			return &d.Channels[i], true
		}
	}
	return nil, false
}

// Changes are the devices by name that differ between two descriptions. One whose name
// changed is removed and added.
type Changes struct {
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// Diff compares two descriptions.
func Diff(from, to Node) (c Changes) {
	for i := range to.Devices {
		d := &to.Devices[i]
		switch old, known := from.Device(d.Name); {
		case !known:
			c.Added = append(c.Added, d.Name)
		case !reflect.DeepEqual(old, d):
			c.Changed = append(c.Changed, d.Name)
		}
	}
	for i := range from.Devices {
		if _, stays := to.Device(from.Devices[i].Name); !stays {
			c.Removed = append(c.Removed, from.Devices[i].Name)
		}
	}
	return c
}
