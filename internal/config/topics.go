package config

import (
	"fmt"
	"strings"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
)

// topicUse is one topic that this gateway itself publishes or takes commands on.
type topicUse struct {
	topic string
	path  string
	at    *toml.Node
}

// topicsOf enters the topics of a device and reports those that cannot be.
func (l *loader) topicsOf(d *deviceAt) {
	m := &d.dev.Map
	reported := map[*toml.Node]bool{}
	if f := d.n.Field("topic"); f != nil && f.Kind == toml.KindBroken {
		return
	}
	use := func(topic, path string, at *toml.Node) {
		if reported[at] {
			return
		}
		if err := mqtt.CheckTopic(topic); err != nil {
			l.AtKey(at, fmt.Sprintf("the topic would be %q: %v", topic, err))
			reported[at] = true
			return
		}
		if strings.HasPrefix(topic, "$") {
			l.AtKey(at, fmt.Sprintf("the topic would be %q: $ is reserved in MQTT", topic))
			return
		}
		l.topics = append(l.topics, topicUse{topic, path, at})
	}
	use(m.StatusTopic(), "the status of device."+m.Name, d.n)
	if m.PerDevice {
		use(m.Topic(""), "device."+m.Name, d.n)
	}
	for _, c := range m.Channels {
		at := d.table.Channels.Node.Field(c.Name)
		if at == nil {
			at = d.n
		}
		path := "device." + m.Name + ".channels." + c.Name
		if !m.PerDevice {
			use(m.Topic(c.Name), path, at)
		}
		if c.Writable {
			use(m.SetTopic(c.Name), "commands to "+path, at)
			use(m.ResultTopic(c.Name), "results of "+path, at)
		}
	}
}

// topicsTwice reports two channels on one topic.
func (l *loader) topicsTwice() {
	l.topics = append(l.topics, topicUse{l.cfg.Node + "/status", "the gateway", nil})
	holders := make(map[string]topicUse, len(l.topics))
	reported := map[*toml.Node]bool{}
	for _, t := range l.topics {
		first, taken := holders[t.topic]
		if !taken {
			holders[t.topic] = t
			continue
		}
		if reported[t.at] {
			continue // ten channels on one topic are one fault
		}
		reported[t.at] = true
		at, other := t, first
		if at.at == nil {
			at, other = first, t
		}
		by := other.path
		if other.at != nil {
			by += " (" + l.where(other.at, at.at) + ")"
		}
		l.AtKey(at.at, fmt.Sprintf("the topic %s is already used by %s", t.topic, by), toml.Try(topicHint(at.path)))
	}
}

func topicHint(path string) string {
	if strings.Contains(path, ".channels.") {
		return `a topic with {channel} in it, or publish = "device"`
	}
	return "another name or topic"
}
