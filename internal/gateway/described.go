package gateway

import (
	"maps"
	"slices"
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
	return []string{discoveryPrefix(c) + "/#", homieDomain(c) + "/#"}
}

func discoveryPrefix(c *config.Config) string {
	if c.HomeAssistant.Prefix == "" {
		return "homeassistant"
	}
	return c.HomeAssistant.Prefix
}

func homieDomain(c *config.Config) string {
	if c.Homie.Domain == "" {
		return "homie"
	}
	return c.Homie.Domain
}

// Descriptions sorts what a broker retains, by topic, into what the configuration yields,
// what is left of earlier ones, and what other gateways have described. What no sensorgate
// has made is left out.
func Descriptions(c *config.Config, retained map[string][]byte) []Described {
	wanted := map[string]bool{}
	for _, d := range documentsOf(c) {
		wanted[d.Topic] = true
	}
	own := homeassistant.ID(c.HomeAssistant.ID)
	if own == "" {
		own = homeassistant.ID(c.Node)
	}
	n := describe.Of(c)
	ownHomie := homie.New(&n, c.Homie).ID()
	of := homie.Found(homieDomain(c), retained)
	rows := []Described{}
	for _, topic := range slices.Sorted(maps.Keys(retained)) {
		id, ours := of[topic], ownHomie
		if node, ok := homeassistant.Describer(retained[topic]); ok && strings.HasPrefix(topic, discoveryPrefix(c)+"/") {
			id, ours = node, own
		}
		switch {
		case id == "":
		case id != ours:
			rows = append(rows, Described{topic, id, Foreign})
		case wanted[topic]:
			rows = append(rows, Described{topic, id, Wanted})
		default:
			rows = append(rows, Described{topic, id, LeftOver})
		}
	}
	return rows
}

// SortForRemoval sorts topics so that controllers understand that what they describe is
// gone.
func SortForRemoval(topics []string) {
	discovery.SortForRemoval(topics, homie.Convention{})
}

// DiscoveryTopics lists the topics of the descriptions, for people.
func DiscoveryTopics(c *config.Config) []describe.Topic {
	var out []describe.Topic
	for _, d := range documentsOf(c) {
		if d.Elsewhere {
			out = append(out, describe.Topic{Topic: d.Topic, Use: "values for Homie", QoS: 1, Retain: true})
			continue
		}
		out = append(out, describe.Topic{Topic: d.Topic, Use: "description", QoS: 1, Retain: true})
	}
	return out
}
