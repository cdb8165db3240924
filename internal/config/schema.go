package config

import (
	"sensorgate/drivers"
	"sensorgate/internal/toml"
)

// Schema makes the JSON Schema (draft 7, which editors of TOML know best) of a
// configuration file, so that they complete and check it. It is made of the same
// structs that Load reads, so the two agree about keys and types; what goes beyond one
// key only Load knows.
func Schema(cat Catalogue) map[string]any {
	top := toml.SchemaOf(topTable{})
	props := top["properties"].(toml.Object)
	props["broker"] = toml.SchemaOf(brokerTable{})
	props["journal"] = toml.SchemaOf(defaultJournal())
	props["history"] = toml.SchemaOf(defaultHistory())
	props["web"] = toml.SchemaOf(defaultWeb())
	props["device"] = toml.NamedTables(deviceSchema(cat))
	props["bridge"] = toml.NamedTables(bridgeSchema())
	props["serial"] = toml.NamedTables(toml.Object{"type": "object"})
	if cat.SerialBus != nil {
		props["serial"] = toml.NamedTables(toml.SchemaOf(cat.SerialBus()))
	}
	top["$schema"] = "http://json-schema.org/draft-07/schema#"
	top["title"] = "sensorgate configuration"
	top["definitions"] = definitions()
	return top
}

func bridgeSchema() toml.Object { return toml.SchemaOf(bridgeTable{}) }

// deviceSchema chooses the keys by the driver. With a model the driver comes from
// there, so the keys of all drivers are possible.
func deviceSchema(cat Catalogue) toml.Object {
	names := cat.Drivers.Names()
	all := []any{deviceTable{}}
	var choices []any
	for _, name := range names {
		d, err := cat.Drivers.Lookup(name)
		if err != nil {
			continue
		}
		if d.Options != nil {
			all = append(all, d.Options())
		}
		choices = append(choices, toml.Object{
			"if":   toml.Object{"properties": toml.Object{"driver": toml.Object{"const": name}}, "required": []string{"driver"}},
			"then": driverSchema(d),
		})
	}
	either := toml.SchemaOf(all...)
	delete(either, "required")
	properties := either["properties"].(toml.Object)
	properties["driver"] = toml.Object{"enum": names, "description": toml.DocOf(deviceTable{}, "driver")}
	properties["channels"] = toml.Object{"type": "object"}
	return toml.Object{
		"type":  "object",
		"anyOf": []any{toml.Object{"required": []string{"driver"}}, toml.Object{"required": []string{"model"}}},
		"allOf": append(choices, toml.Object{"if": toml.Object{"not": toml.Object{"required": []string{"driver"}}}, "then": either}),
	}
}

func driverSchema(d drivers.Driver) toml.Object {
	tables := []any{deviceTable{}}
	if d.Options != nil {
		tables = append(tables, d.Options())
	}
	t := toml.SchemaOf(tables...)
	props := t["properties"].(toml.Object)
	channel := toml.SchemaOf(channelTable{})
	if d.ChannelOptions != nil {
		channel = toml.SchemaOf(d.ChannelOptions(), channelTable{})
	}
	channels := toml.NamedTables(channel)
	if d.ChannelOptions == nil && len(d.Channels) > 0 && d.Options == nil {
		known := toml.Object{}
		for _, c := range d.Channels {
			known[c.Name] = channel
		}
		channels = toml.Object{"type": "object", "properties": known, "additionalProperties": false}
	}
	props["channels"] = channels
	props["driver"] = toml.Object{"const": d.Name, "description": d.Summary}
	return t
}

func (deviceTable) SharedAs() string  { return "device" }
func (channelTable) SharedAs() string { return "channel" }

func definitions() toml.Object {
	defs := toml.Object{}
	for _, v := range []toml.Shared{deviceTable{}, channelTable{}} {
		for _, k := range toml.KeysIn(v) {
			defs[v.SharedAs()+"."+k.Name] = toml.KeySchema(k)
		}
	}
	return defs
}
