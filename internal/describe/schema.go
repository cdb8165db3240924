package describe

import (
	"sensorgate/drivers"
	"sensorgate/internal/mapping"
)

// object is a part of a JSON Schema.
type object = map[string]any

// Schema is a JSON Schema (2020-12) of all messages: an object with a property for each
// topic, which is the schema of its payload. Payloads that are a template of the file, and
// texts without quotes, are left open.
func (n *Node) Schema() object {
	topics := object{
		n.StatusTopic: object{"title": "status of the gateway", "description": "text without quotes", "enum": []string{"online", "offline"}},
		n.StateTopic:  object{"title": "state of the gateway", "type": "object"},
		n.ErrorTopic:  object{"title": "why the last reload was refused; empty when it was not"},
	}
	for i := range n.Devices {
		n.Devices[i].schema(topics)
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "messages of " + n.Name,
		"type": "object", "properties": topics,
	}
}

func (d *Device) schema(topics object) {
	topics[d.StatusTopic] = object{"title": "status of " + d.Name, "type": "object", "required": []string{"state"}, "properties": object{
		"state": object{"enum": []drivers.Condition{drivers.Starting, drivers.OK, drivers.Degraded, drivers.Failing, drivers.Absent, drivers.Stuck, drivers.Stopped}}, "error": text, "since": instant, "channels": object{"type": "object"},
	}}
	values, units, open := object{}, object{}, false
	for i := range d.Channels {
		c := &d.Channels[i]
		values[c.Name] = c.value()
		if c.Unit != "" {
			units[c.Name] = object{"const": c.Unit}
		}
		open = open || !c.Payload.Named()
		if c.Topic != "" {
			topics[c.Topic] = c.reading(d.Name)
		}
		if c.Writable {
			topics[c.SetTopic], topics[c.ResultTopic] = c.command(d.Name), c.result(d.Name)
		}
	}
	switch {
	case d.Topic == "":
	case open:
		topics[d.Topic] = object{"title": "readings of " + d.Name}
	default:
		topics[d.Topic] = object{"title": "readings of " + d.Name, "type": "object", "required": []string{"values", "time"}, "properties": object{
			"values": object{"type": "object", "properties": values}, "units": object{"type": "object", "properties": units},
			"time": instant, "time_synced": notSynced, "quality": object{},
		}}
	}
}

var (
	text      = object{"type": "string"}
	instant   = object{"type": "string", "format": "date-time"}
	notSynced = object{"const": false, "description": "there while the clock is not set"}
	anyValue  = object{"type": []string{"number", "boolean", "string"}}
)

// value is what a channel can be.
func (c *Channel) value() object {
	switch {
	case c.Type == TypeBoolean:
		return object{"type": "boolean"}
	case c.Type == TypeNumber && c.Range != nil:
		return object{"type": "number", "minimum": c.Range[0], "maximum": c.Range[1]}
	case c.Type == TypeNumber:
		return object{"type": "number"}
	case c.Type == TypeText && c.Values != nil:
		return object{"enum": c.Values}
	case c.Type == TypeText:
		return text
	}
	return anyValue
}

func (c *Channel) reading(device string) object {
	title := "readings of " + device + "/" + c.Name
	switch c.Payload {
	case mapping.JSON:
		of := object{"value": c.value(), "time": instant, "time_synced": notSynced, "quality": object{"enum": []string{"uncertain"}}}
		if c.Unit != "" {
			of["unit"] = object{"const": c.Unit}
		}
		return object{"title": title, "type": "object", "required": []string{"value", "time"}, "properties": of}
	case mapping.Plain:
		of := c.value()
		if _, bare := of["type"]; !bare || c.Type == TypeText || c.Type == "" {
			return object{"title": title, "description": "text without quotes"}
		}
		return object{"title": title, "allOf": []object{of}}
	}
	return object{"title": title, "description": "a template: " + string(c.Payload)}
}

func (c *Channel) command(device string) object {
	return object{"title": "commands to " + device + "/" + c.Name, "description": "the bare value or an object", "anyOf": []object{anyValue, {
		"type": "object", "required": []string{"value"}, "properties": object{"value": anyValue, "id": anyValue, "expires": anyValue},
	}}}
}

func (c *Channel) result(device string) object {
	return object{"title": "results of " + device + "/" + c.Name, "type": "object", "required": []string{"result"}, "properties": object{
		"result": object{"enum": []string{"done", "refused", "timeout", "failed"}}, "reason": text, "id": anyValue, "time": instant,
	}}
}
