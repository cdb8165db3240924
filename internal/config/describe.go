package config

import (
	"slices"

	"sensorgate/bridge"
	"sensorgate/internal/toml"
)

// Describe lists all tables with all their keys: first our own, then the options of
// each driver and of its channels.
func Describe(cat Catalogue) []toml.Table {
	tables := []toml.Table{
		toml.Describe("", "the file as a whole", topTable{Topic: defaultTopic}),
		toml.Describe("broker", "the MQTT broker inside this process", defaultBroker()),
		toml.Describe("broker.listen[]", "one place where clients connect, where it is more than a text; what is not set is as in [broker]", listenEntry{}),
		toml.Describe("journal", "what survives a power cut", defaultJournal()),
		toml.Describe("history", "what was measured, kept on this board", defaultHistory()),
		toml.Describe("web", "the page, the HTTP API and the metrics", defaultWeb()),
	}
	tables = append(tables,
		toml.Describe("homeassistant", "Home Assistant finds all devices by itself", defaultHomeAssistant()),
		toml.Describe("homie", "Homie controllers find all devices by themselves", defaultHomie()),
		toml.Describe("device.NAME.ha", "what Home Assistant is to know of a device otherwise", HADevice{}),
		toml.Describe("device.NAME.channels.NAME.ha", "what Home Assistant is to know of a channel otherwise", HAChannel{}),
	)
	if cat.SerialBus != nil {
		tables = append(tables, toml.Describe("serial.NAME", "a serial wire with several devices on it", cat.SerialBus()))
	}
	tables = append(tables,
		toml.Describe("device.NAME", "one thing on a bus or a pin; its driver has more keys", deviceTable{Publish: "channel"}),
		toml.Describe("device.NAME.channels.NAME", "one quantity of a device; its driver may have more keys", channelTable{}),
		toml.Describe("bridge.NAME", "an upstream broker", defaultBridge("NAME")),
		toml.Describe("bridge.NAME.password", "where a secret is; exactly one of these", secretTable{}),
		toml.Describe("bridge.NAME.tls", "certificates, where those of the system do not suffice", bridge.TLSFiles{}),
		toml.Describe("bridge.NAME.spool", "what waits while the upstream is away", defaultBridge("").Spool),
		toml.Describe("bridge.NAME.status", "retained topic at the upstream", statusTable{Topic: "{node}/status", Online: "online", Offline: "offline"}),
		toml.Describe("bridge.NAME.rules[]", "which topics go where", ruleTable{}),
	)
	for _, name := range cat.Drivers.Names() {
		d, err := cat.Drivers.Lookup(name)
		if err != nil {
			continue // the name came from the registry
		}
		t := toml.Table{Name: "device.NAME (" + name + ")", Doc: d.Summary}
		if d.Options != nil {
			t.Keys = toml.KeysIn(d.Options())
		}
		tables = append(tables, t)
		if d.ChannelOptions != nil {
			tables = append(tables, toml.Table{Name: "device.NAME.channels.NAME (" + name + ")", Keys: toml.KeysIn(d.ChannelOptions())})
		}
	}
	return tables
}

// Missing returns the keys of our own tables that text does not mention: what a
// reference that is to be complete lacks.
func Missing(cat Catalogue, text string) []string {
	var missing []string
	for _, t := range Describe(cat) {
		for _, k := range t.Keys {
			if !toml.Mentions(text, k.Name) {
				missing = append(missing, t.Name+": "+k.Name)
			}
		}
	}
	return slices.Compact(missing)
}
