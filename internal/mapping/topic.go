package mapping

import (
	"slices"
	"strings"
)

// TopicVariables are what a topic may be made of. {unit} is the channel's unit of
// measurement.
var TopicVariables = []string{"node", "device", "channel", "bus", "unit", "model", "class"}

// The last levels of topics that belong to a channel or a device.
const (
	setLevel    = "/set"
	resultLevel = "/set/result"
	statusLevel = "/status"
)

// Topic is where the readings of a channel go; with publish = "device" it is the
// same for all.
func (d Device) Topic(channel string) string {
	c, known := d.channel(channel)
	template := d.TopicTemplate
	if known && c.TopicTemplate != "" {
		template = c.TopicTemplate
	}
	if d.PerDevice {
		return d.expand(withoutChannel(d.TopicTemplate), "", "")
	}
	if !known {
		return d.expand(template, channel, "")
	}
	return d.expand(template, channel, c.Unit)
}

// SetTopic is where commands to a channel are taken.
func (d Device) SetTopic(channel string) string { return d.channelTopic(channel) + setLevel }

// ResultTopic is where the outcome of commands to a channel is published.
func (d Device) ResultTopic(channel string) string { return d.channelTopic(channel) + resultLevel }

// StatusTopic is where the device's condition is published, retained.
func (d Device) StatusTopic() string { return d.Node + "/" + d.Name + statusLevel }

// channelTopic is the channel's own topic also when all are published together:
// a command must name what it is for.
func (d Device) channelTopic(channel string) string {
	if !d.PerDevice {
		return d.Topic(channel)
	}
	return d.Topic(channel) + "/" + channel
}

func (d Device) expand(template, channel, unit string) string {
	values := map[string]string{
		"node": d.Node, "device": d.Name, "channel": channel, "bus": d.Bus,
		"unit": unit, "model": d.Model, "class": d.Class,
	}
	return ParseTemplate(template).Expand(func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	})
}

// withoutChannel leaves the levels out that name the channel, for the one message
// of all channels: {node}/{device}/{channel} is {node}/{device}.
func withoutChannel(template string) string {
	levels := strings.Split(template, "/")
	return strings.Join(slices.DeleteFunc(levels, func(l string) bool {
		return strings.Contains(l, "{channel}") || strings.Contains(l, "{unit}")
	}), "/")
}

// ResultSuffix is what follows the topic of commands in that of their results.
const ResultSuffix = "/result"

// ReadingsFilter is a filter that covers Topic, and where the template names devices and
// channels by whole levels those of all devices with the same template.
func (d Device) ReadingsFilter(channel string) string {
	c, known := d.channel(channel)
	template, unit := d.TopicTemplate, ""
	if known {
		unit = c.Unit
		if c.TopicTemplate != "" && !d.PerDevice {
			template = c.TopicTemplate
		}
	}
	if d.PerDevice {
		template = withoutChannel(d.TopicTemplate)
	}
	levels := strings.Split(template, "/")
	for i, level := range levels {
		if level == "{device}" || level == "{channel}" {
			levels[i] = "+"
			continue
		}
		levels[i] = d.expand(level, channel, unit)
	}
	return strings.Join(levels, "/")
}

// SetFilter is the same for SetTopic.
func (d Device) SetFilter(channel string) string {
	if d.PerDevice {
		return d.ReadingsFilter(channel) + "/+" + setLevel
	}
	return d.ReadingsFilter(channel) + setLevel
}

// StatusFilter is the same for StatusTopic.
func (d Device) StatusFilter() string { return d.Node + "/+" + statusLevel }
