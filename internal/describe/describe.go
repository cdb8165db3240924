// Package describe makes one description of a node from its configuration: devices and
// channels with unit, kind, range and topics. What others are to know of the node is
// made from it: the list of topics, the HTTP API, the page, the discovery of other
// systems. It is plain data; a reload makes another, and Diff reports what changed.
package describe

import (
	"math"
	"reflect"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
)

// Node is a gateway.
type Node struct {
	Name        string   `json:"name"`
	StatusTopic string   `json:"status_topic"` // "online" or "offline", retained
	Devices     []Device `json:"devices"`      // in the order of the file
}

// Device is one [device.NAME].
type Device struct {
	Name        string    `json:"name"`
	Driver      string    `json:"driver"`
	Summary     string    `json:"summary"` // of the driver: "Bosch BME280: temperature, pressure, humidity"
	Model       string    `json:"model,omitempty"`
	Class       string    `json:"class,omitempty"`
	Bus         string    `json:"bus,omitempty"`
	Every       float64   `json:"every_seconds,omitempty"` // expected between two readings; 0: the hardware speaks first
	StatusTopic string    `json:"status_topic"`
	Topic       string    `json:"topic,omitempty"` // of the one message of all channels; "": each channel has its own
	Channels    []Channel `json:"channels"`
}

// Channel is one quantity.
type Channel struct {
	Name        string     `json:"name"`
	Unit        string     `json:"unit,omitempty"`
	Kind        string     `json:"kind"` // gauge, total, state, event
	Writable    bool       `json:"writable"`
	Range       *[2]Number `json:"range,omitempty"`  // plausible lowest and highest value, as published
	Digits      *int       `json:"digits,omitempty"` // behind the point
	Every       float64    `json:"every_seconds,omitempty"`
	Topic       string     `json:"topic,omitempty"`
	SetTopic    string     `json:"set_topic,omitempty"`
	ResultTopic string     `json:"result_topic,omitempty"`
	QoS         byte       `json:"qos"`
	Retain      bool       `json:"retain"`
}

// Number is a limit of a range.
type Number = float64

// Of describes the node of a configuration.
func Of(c *config.Config) Node {
	n := Node{Name: c.Node, StatusTopic: c.Node + "/status", Devices: []Device{}}
	for _, d := range c.Devices {
		n.Devices = append(n.Devices, device(d))
	}
	return n
}

func device(d config.Device) Device {
	m := d.Map
	out := Device{
		Name: d.Name, Driver: d.Driver.Name, Summary: d.Driver.Summary, Model: d.Model, Class: m.Class, Bus: m.Bus,
		Every: d.Config.Every.Seconds(), StatusTopic: m.StatusTopic(), Channels: []Channel{},
	}
	if m.PerDevice {
		out.Topic = m.Topic("")
	}
	known := slices.Clone(d.Driver.Channels)
	if o, ok := d.Config.Options.(drivers.Outputter); ok {
		known = append(known, o.Outputs()...)
	}
	for _, c := range m.Channels {
		out.Channels = append(out.Channels, channel(&m, c, d.Config, known))
	}
	return out
}

func channel(m *mapping.Device, c mapping.Channel, conf drivers.DeviceConfig, known []drivers.Channel) Channel {
	out := Channel{
		Name: c.Name, Unit: c.Unit, Kind: kindName(c.Kind), Writable: c.Writable,
		Digits: c.Filters.Digits, Every: expected(c, conf).Seconds(), QoS: c.QoS, Retain: c.Retain,
	}
	if m.PerDevice {
		out.QoS, out.Retain = m.QoS, m.Retain
	} else {
		out.Topic = m.Topic(c.Name)
	}
	if c.Writable {
		out.SetTopic, out.ResultTopic = m.SetTopic(c.Name), m.ResultTopic(c.Name)
	}
	for _, k := range known {
		if k.Name == c.Name && (k.HasRange || k.Min != 0 || k.Max != 0) {
			out.Range = published(c.Filters, k.Min, k.Max)
		}
	}
	return out
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
	Added, Changed, Removed []string
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
