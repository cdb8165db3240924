package gateway

import (
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/discovery"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homie"
)

// Described is one retained message that describes a gateway's devices.
type Described struct {
	Topic string `json:"topic"`
	Node  string `json:"node"`  // what identifies the gateway
	State string `json:"state"` // Wanted, LeftOver or Foreign
}

// The states of what is described.
const (
	Wanted   = "wanted"
	LeftOver = "left over"
	Foreign  = "of another gateway"
)

// documentsOf are all that a configuration has described at its own broker.
func documentsOf(c *config.Config) []discovery.Document {
	n := describe.Of(c)
	var docs []discovery.Document
	if c.HomeAssistant.Enabled {
		docs = append(docs, homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})...)
	}
	if c.Homie.Enabled {
		docs = append(docs, homie.New(&n, c.Homie).Documents(0)...)
	}
	return docs
}

// DiscoveryFilters are where the descriptions of gateways are.
func DiscoveryFilters(c *config.Config) []string {
	return []string{discoveryPrefix(c) + "/#"}
}

func discoveryPrefix(c *config.Config) string {
	if c.HomeAssistant.Prefix == "" {
		return "homeassistant"
	}
	return c.HomeAssistant.Prefix
}

// Descriptions tells those of a configuration from what else is on a broker.
type Descriptions struct {
	prefix, id string
	wanted     map[string]bool
}

// NewDescriptions works out what the configuration has described.
func NewDescriptions(c *config.Config) *Descriptions {
	d := &Descriptions{prefix: discoveryPrefix(c) + "/", id: homeassistant.ID(c.HomeAssistant.ID), wanted: map[string]bool{}}
	if c.HomeAssistant.ID == "" {
		d.id = homeassistant.ID(c.Node)
	}
	for _, doc := range documentsOf(c) {
		d.wanted[doc.Topic] = true
	}
	return d
}

// Of reports whose description a retained message is, and whether the configuration yields
// it; ours is false for what no sensorgate has made.
func (d *Descriptions) Of(topic string, payload []byte) (found Described, ours bool) {
	node, ours := homeassistant.Describer(payload)
	if !ours || !strings.HasPrefix(topic, d.prefix) {
		return Described{}, false
	}
	found = Described{Topic: topic, Node: node, State: Foreign}
	switch {
	case node != d.id:
	case d.wanted[topic]:
		found.State = Wanted
	default:
		found.State = LeftOver
	}
	return found, true
}

// DiscoveryTopics lists the topics of the descriptions, for people.
func DiscoveryTopics(c *config.Config) []describe.Topic {
	var out []describe.Topic
	for _, d := range documentsOf(c) {
		if d.Elsewhere && !strings.Contains(d.Topic, "/$") {
			out = append(out, describe.Topic{Topic: d.Topic, Use: "values for Homie", QoS: 1, Retain: true})
			continue
		}
		out = append(out, describe.Topic{Topic: d.Topic, Use: "description", QoS: 1, Retain: true})
	}
	return out
}
