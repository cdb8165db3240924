package gateway

import (
	"log/slog"
	"slices"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// mayAnswer reports whether an answer to a command may be published on the topic that
// the command asks for (its MQTT 5 response topic). Who asks is who publishes: else a
// client that may only send commands could have us write wherever we may ourselves.
type mayAnswer func(command *mqtt.Message, topic string) bool

// answers leaves out of the results those that go where their asker may not publish. The first,
// beside the command's topic, always stays: its topic is not the asker's choice, also where the
// asker names it.
func (may mayAnswer) answers(command *mqtt.Message, results []mqtt.Message, log *slog.Logger) []mqtt.Message {
	kept := results[:0]
	for i, r := range results {
		if p := command.Properties; i > 0 && p != nil && r.Topic == p.ResponseTopic && !may(command, r.Topic) {
			log.Warn("answer not published: who sent the command may not publish there", "topic", r.Topic, "command", command.Topic, "from", command.Origin)
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// mayAnswer is the rule for the gateway as it is configured now: never on a topic of its
// own; for an upstream what an out rule sends there; for a client what it may publish.
func (g *Gateway) mayAnswer(command *mqtt.Message, topic string) bool {
	c := g.config()
	if owns(c, topic) {
		return false
	}
	if name, ok := strings.CutPrefix(command.Origin, "bridge/"); ok {
		for _, hop := range c.Route(topic) {
			if hop.Bridge == name && hop.Dir == "out" && hop.Note == "" {
				return true
			}
		}
		return false
	}
	return g.broker.PublisherMay(command, topic)
}

// owns reports whether only the gateway itself publishes on a topic: its own state, the
// readings, states and results of its devices, the commands to them, and what controllers
// find devices by.
func owns(c *config.Config, topic string) bool {
	if below, ok := strings.CutPrefix(topic, c.Node+"/"); ok && (below == "status" || below == "gateway" || strings.HasPrefix(below, "gateway/")) {
		return true
	}
	if ha := &c.HomeAssistant; ha.Enabled && strings.HasPrefix(topic, ha.Prefix+"/") {
		return true
	}
	if h := &c.Homie; h.Enabled && strings.HasPrefix(topic, h.Domain+"/") {
		return true
	}
	return slices.ContainsFunc(c.Devices, func(d config.Device) bool { return uses(&d.Map, topic) })
}

// uses reports whether a topic is one of a device's.
func uses(m *mapping.Device, topic string) bool {
	if topic == m.StatusTopic() || m.PerDevice && topic == m.Topic("") {
		return true
	}
	return slices.ContainsFunc(m.Channels, func(c mapping.Channel) bool {
		return !m.PerDevice && topic == m.Topic(c.Name) || c.Writable && (topic == m.SetTopic(c.Name) || topic == m.ResultTopic(c.Name))
	})
}
