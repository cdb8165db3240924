package config

import (
	"maps"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/toml"
)

// Schema makes the JSON Schema (draft 7, which editors of TOML know best) of a
// configuration file, so that they complete and check it. It is made of the same
// structs that Load reads, so the two agree about keys and types; what goes beyond one
// key only Load knows. It is valid for ajv in strict mode, and what is wrong in one key is
// reported once, at that key.
func Schema(cat Catalogue) toml.Object {
	top := toml.SchemaOf(topTable{})
	props := top["properties"].(toml.Object)
	table := func(name string, s toml.Object) {
		s["description"] = toml.DocOf(topTable{}, name)
		props[name] = s
	}
	table("broker", toml.SchemaOf(defaultBroker()))
	table("journal", toml.SchemaOf(defaultJournal()))
	table("history", toml.SchemaOf(defaultHistory()))
	table("web", toml.SchemaOf(defaultWeb()))
	table("homeassistant", toml.SchemaOf(defaultHomeAssistant()))
	table("homie", toml.SchemaOf(defaultHomie()))
	table("device", toml.NamedTables(deviceSchema(cat)))
	table("bridge", toml.NamedTables(toml.SchemaOf(bridgeTable{})))
	table("serial", toml.NamedTables(toml.Object{"type": "object"}))
	if cat.SerialBus != nil {
		table("serial", toml.NamedTables(toml.SchemaOf(cat.SerialBus())))
	}
	top["$schema"] = "http://json-schema.org/draft-07/schema#"
	top["title"] = "sensorgate configuration"
	top["description"] = "The configuration of a sensorgate gateway: sensors on one side, MQTT brokers on the other."
	top["definitions"] = definitions()
	return top
}

// deviceSchema chooses the keys by the driver. With a model the driver comes from
// there, so the keys of all drivers are possible. Editors look for what to offer below
// properties and allOf only, so the first of allOf has all keys without their types.
func deviceSchema(cat Catalogue) toml.Object {
	names := cat.Drivers.Names()
	options, channelOptions := []any{deviceTable{}}, []any{channelTable{}}
	var choices []any
	for _, name := range names {
		d, err := cat.Drivers.Lookup(name)
		if err != nil {
			continue
		}
		if d.Options != nil {
			options = append(options, d.Options())
		}
		if d.ChannelOptions != nil {
			channelOptions = append(channelOptions, d.ChannelOptions())
		}
		choices = append(choices, toml.Object{
			"if":   with("driver", toml.Object{"const": name}),
			"then": driverSchema(d),
		})
	}
	channels := toml.Object{"type": "object", "description": toml.DocOf(deviceTable{}, "channels")}
	offered := offer(toml.SchemaOf(options...))
	offered["driver"] = toml.Object{"enum": names, "description": toml.DocOf(deviceTable{}, "driver")}
	offered["channels"] = maps.Clone(channels)
	offered["channels"].(toml.Object)["additionalProperties"] = toml.Object{"type": "object", "properties": offer(toml.SchemaOf(channelOptions...))}

	model := toml.SchemaOf(options...)
	model["required"] = []string{"model"} // without a driver
	model["properties"].(toml.Object)["channels"] = channels
	return toml.Object{
		"type": "object",
		"allOf": append([]any{
			toml.Object{"type": "object", "properties": offered},
			toml.Object{"if": with("driver", toml.Object{}), "else": model},
		}, choices...),
	}
}

// with is the schema of a table that has the key, with such a value.
func with(key string, value toml.Object) toml.Object {
	return toml.Object{"type": "object", "properties": toml.Object{key: value}, "required": []string{key}}
}

// offer is the keys of a table with what people read of them, and no more: what is wrong
// in one of them is reported where its type is.
func offer(s toml.Object) toml.Object {
	props, shared := toml.Object{}, definitions()
	for name, p := range s["properties"].(toml.Object) {
		if ref, ok := p.(toml.Object)["$ref"].(string); ok {
			p = shared[strings.TrimPrefix(ref, "#/definitions/")]
		}
		says := toml.Object{}
		for _, word := range []string{"description", "default", "examples"} {
			if v, ok := p.(toml.Object)[word]; ok {
				says[word] = v
			}
		}
		props[name] = says
	}
	return props
}

func driverSchema(d drivers.Driver) toml.Object {
	tables := []any{deviceTable{}}
	if d.Options != nil {
		tables = append(tables, d.Options())
	}
	t := toml.SchemaOf(tables...)
	t["title"] = d.Summary
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
		channels = toml.Object{"type": "object", "properties": known, "additionalProperties": toml.UnknownKey()}
	}
	channels["description"] = toml.DocOf(deviceTable{}, "channels")
	props["channels"] = channels
	props["driver"] = toml.Object{"const": d.Name, "description": toml.DocOf(deviceTable{}, "driver")}
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
