package config

import (
	"fmt"
	"reflect"
	"time"

	"sensorgate/drivers"
)

// object is a piece of JSON Schema.
type object = map[string]any

// Schema makes the JSON Schema (draft 7, which editors of TOML know best) of a
// configuration file, so that they complete and check it. It is made of the same
// structs that Load reads, so the two agree about keys and types; what goes beyond one
// key only Load knows.
func Schema(cat Catalogue) map[string]any {
	top := table(topTable{})
	props := top["properties"].(object)
	props["broker"] = table(brokerTable{})
	props["broker"].(object)["properties"].(object)["listen"] = object{"type": "array", "items": object{"type": "string", "pattern": "^(tcp|tls|ws|wss|unix)://"}, "description": docOf(brokerTable{}, "listen")}
	props["journal"] = table(journalTable{})
	props["device"] = named(deviceSchema(cat))
	props["bridge"] = named(bridgeSchema())
	props["serial"] = named(object{"type": "object"})
	if cat.SerialBus != nil {
		props["serial"] = named(table(cat.SerialBus()))
	}
	top["$schema"] = "http://json-schema.org/draft-07/schema#"
	top["title"] = "sensorgate configuration"
	top["definitions"] = definitions()
	return top
}

// named is a table of tables with names of the user's.
func named(entry object) object {
	return object{"type": "object", "additionalProperties": entry}
}

func docOf(v any, key string) string {
	for _, k := range keysIn(v) {
		if k.Name == key {
			return k.Doc
		}
	}
	return ""
}

// table is the schema of a struct: its keys and no others.
func table(structs ...any) object {
	props, required := object{}, []string{}
	for _, s := range structs {
		for _, k := range keysIn(s) {
			if first, twice := props[k.Name]; twice {
				if p, ok := first.(object); ok && p["$ref"] == nil && !reflect.DeepEqual(p["type"], typeSchema(k.typ)["type"]) {
					props[k.Name] = object{} // drivers mean different things by it
				}
				continue
			}
			props[k.Name] = keySchema(k)
			if def := shared(s); def != "" {
				props[k.Name] = object{"$ref": "#/definitions/" + def + "." + k.Name}
			}
			if k.Required {
				required = append(required, k.Name)
			}
		}
	}
	t := object{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		t["required"] = required
	}
	return t
}

func keySchema(k Key) object {
	p := typeSchema(k.typ)
	if k.Doc != "" {
		p["description"] = k.Doc
	}
	return p
}

// shared names the tables whose keys every driver repeats; the schema has them once.
func shared(v any) string {
	switch v.(type) {
	case deviceTable:
		return "device"
	case channelTable:
		return "channel"
	}
	return ""
}

func definitions() object {
	defs := object{}
	for _, v := range []any{deviceTable{}, channelTable{}} {
		for _, k := range keysIn(v) {
			defs[shared(v)+"."+k.Name] = keySchema(k)
		}
	}
	return defs
}

func typeSchema(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return typeSchema(t.Elem())
	}
	switch t {
	case durationType:
		return object{"type": "string", "pattern": `^([0-9.]+ *(us|µs|ms|s|m|min|h|d|w))+$`, "examples": []string{"5s", "1m30s", "14d"}}
	case reflect.TypeFor[size]():
		return object{"type": "string", "pattern": `^[0-9.]+ *(B|[kKMGT]i?B)$`, "examples": []string{"512MiB"}}
	case reflect.TypeFor[Rate]():
		return object{"type": "string", "pattern": `/(us|ms|s|m|min|h|d)$`, "examples": []string{"50/s", "64KiB/s"}}
	case reflect.TypeFor[qosNumber]():
		return object{"enum": []int{0, 1, 2}}
	case reflect.TypeFor[kindText]():
		return object{"enum": []string{"gauge", "total", "state", "event"}}
	case reflect.TypeFor[publishText]():
		return object{"enum": []string{"channel", "device"}}
	case reflect.TypeFor[dirText]():
		return object{"enum": []string{"out", "in", "both"}}
	case reflect.TypeFor[policyText]():
		return object{"enum": []string{"drop-oldest", "drop-newest", "refuse"}}
	case reflect.TypeFor[subtree]():
		return object{"type": "object"}
	case reflect.TypeFor[Secret]():
		s := table(secretTable{})
		s["minProperties"], s["maxProperties"] = 1, 1
		return s
	case reflect.TypeFor[condition]():
		return object{"type": []string{"string", "number", "boolean"}}
	}
	if reflect.PointerTo(t).Implements(textType) {
		return object{"type": "string"}
	}
	return plainSchema(t)
}

func plainSchema(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": typeSchema(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(nodeType) && t != reflect.TypeFor[ruleTable]() {
			return object{} // takes more than one form
		}
		return table(reflect.New(t).Interface())
	case reflect.Interface:
		return object{}
	}
	p := object{"type": "integer"}
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		p["minimum"] = 0
	}
	return p
}

func bridgeSchema() object { return table(bridgeTable{}) }

// deviceSchema chooses the keys by the driver. With a model the driver comes from
// there, so the keys of all drivers are possible.
func deviceSchema(cat Catalogue) object {
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
		choices = append(choices, object{
			"if":   object{"properties": object{"driver": object{"const": name}}, "required": []string{"driver"}},
			"then": driverSchema(d),
		})
	}
	either := table(all...)
	delete(either, "required")
	properties := either["properties"].(object)
	properties["driver"] = object{"enum": names, "description": docOf(deviceTable{}, "driver")}
	properties["channels"] = object{"type": "object"}
	return object{
		"type":  "object",
		"anyOf": []any{object{"required": []string{"driver"}}, object{"required": []string{"model"}}},
		"allOf": append(choices, object{"if": object{"not": object{"required": []string{"driver"}}}, "then": either}),
	}
}

func driverSchema(d drivers.Driver) object {
	tables := []any{deviceTable{}}
	if d.Options != nil {
		tables = append(tables, d.Options())
	}
	t := table(tables...)
	props := t["properties"].(object)
	channel := table(channelTable{})
	if d.ChannelOptions != nil {
		channel = table(d.ChannelOptions(), channelTable{})
	}
	channels := named(channel)
	if d.ChannelOptions == nil && len(d.Channels) > 0 && d.Options == nil {
		known := object{}
		for _, c := range d.Channels {
			known[c.Name] = channel
		}
		channels = object{"type": "object", "properties": known, "additionalProperties": false}
	}
	props["channels"] = channels
	props["driver"] = object{"const": d.Name, "description": d.Summary}
	return t
}

func durationOf(v reflect.Value) time.Duration { return time.Duration(v.Int()) }

func plainText(v reflect.Value) string { return fmt.Sprint(v.Interface()) }
