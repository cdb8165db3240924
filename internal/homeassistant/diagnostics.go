package homeassistant

import (
	"fmt"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/describe"
	"sensorgate/internal/mapping"
)

// diagnostic is an entity that is about the gateway's work and not about the world. Its id
// begins with an underscore and has a second one, as no channel of a person's has.
func (m *maker) diagnostic(id, component, name string, k keys, d *describe.Device) entity {
	e := entity{id: "__" + id, component: component, keys: k}
	k["name"], k["entity_category"] = name, "diagnostic"
	if d != nil {
		m.identify(d, &e)
	} else {
		k["unique_id"] = m.id + "_" + e.id
	}
	return e
}

// states of a device as its status topic has them.
var deviceStates = []drivers.Condition{drivers.Starting, drivers.OK, drivers.Degraded, drivers.Failing, drivers.Absent, drivers.Stuck, drivers.Stopped}

// deviceDiagnostics are the state of a device, its fault, when it was seen last and what
// became of the last command. They are there while the gateway is, whatever the device does.
func (m *maker) deviceDiagnostics(d *describe.Device) []entity {
	here := []keys{{"topic": m.topic(m.node.StatusTopic)}}
	status := m.topic(d.StatusTopic)
	list := []entity{
		m.diagnostic("state", "sensor", "condition", keys{
			"state_topic": status, "value_template": "{{ value_json.state }}", "device_class": "enum", "options": deviceStates,
		}, d),
		m.diagnostic("error", "sensor", "error", keys{
			"state_topic": status, "value_template": fmt.Sprintf("{{ value_json.get('error', 'none')[:%d] }}", maxState),
		}, d),
	}
	if topic := lastSeen(d); topic != "" {
		list = append(list, m.diagnostic("seen", "sensor", "last seen", keys{
			"state_topic": m.topic(topic), "value_template": "{{ value_json.time }}", "device_class": "timestamp",
			"enabled_by_default": false, // a row in the recorder for every reading
		}, d))
	}
	for i := range d.Channels {
		c := &d.Channels[i]
		if !c.Writable || c.HA.LeaveOut {
			continue
		}
		list = append(list, m.diagnostic("result_"+ID(c.Name), "sensor", strings.ReplaceAll(c.Name, "_", " ")+" last command", keys{
			"state_topic":    m.topic(c.ResultTopic),
			"value_template": fmt.Sprintf("{{ (value_json.result ~ (': ' ~ value_json.reason if 'reason' in value_json else ''))[:%d] }}", maxState),
		}, d))
	}
	for i := range list {
		list[i].keys["availability"] = here
	}
	return list
}

// lastSeen is a topic whose messages have the time of the newest reading in the usual
// place; "" if there is none.
func lastSeen(d *describe.Device) string {
	for i := range d.Channels {
		c := &d.Channels[i]
		p := c.Place.Path
		if c.Kind == "event" || c.Kind == "state" || len(p) == 0 || c.Payload != mapping.JSON {
			continue
		}
		if c.Topic == "" {
			return d.Topic
		}
		return c.Topic
	}
	return ""
}

// gateway is the gateway itself as a device.
func (m *maker) gateway() unit {
	u := unit{id: m.id, info: keys{"identifiers": []string{m.id}, "name": m.node.Name, "model": "sensorgate gateway"}}
	put(u.info, "sw_version", m.opt.Version)
	u.entities = []entity{m.diagnostic("online", "binary_sensor", "online", keys{
		"state_topic": m.topic(m.node.StatusTopic), "payload_on": "online", "payload_off": "offline", "device_class": "connectivity",
	}, nil)}
	if !m.opt.Diagnostics {
		return u
	}
	state, here := m.topic(m.node.Name+"/gateway/state"), []keys{{"topic": m.topic(m.node.StatusTopic)}}
	add := func(id, component, name, template string, more keys) {
		more["state_topic"], more["value_template"], more["availability"] = state, "{{ "+template+" }}", here
		u.entities = append(u.entities, m.diagnostic(id, component, name, more, nil))
	}
	add("started", "sensor", "running since", "value_json.started", keys{"device_class": "timestamp"})
	add("not_well", "sensor", "devices and channels not well", "value_json.not_well | length", keys{"state_class": "measurement"})
	add("journal", "sensor", "journal", "value_json.journal.bytes", keys{"device_class": "data_size", "unit_of_measurement": "B", "state_class": "measurement", "enabled_by_default": false})
	add("written", "sensor", "written a day", "value_json.journal.bytes_written_per_day", keys{"device_class": "data_size", "unit_of_measurement": "B", "state_class": "measurement", "enabled_by_default": false})
	add("version", "update", "version", "{'installed_version': value_json.version} | tojson", keys{"title": originName, "enabled_by_default": false})
	for _, name := range m.node.Upstreams {
		one := "(value_json.upstreams | selectattr('name', 'eq', " + text(name) + ") | list | first)"
		add("waiting_"+ID(name), "sensor", "waiting for "+name, one+".waiting", keys{"state_class": "measurement"})
		add("connected_"+ID(name), "binary_sensor", "connected to "+name, "'on' if "+one+".connected else 'off'",
			keys{"payload_on": "on", "payload_off": "off", "device_class": "connectivity"})
	}
	return u
}

// tracker is the position of a device that publishes both coordinates in one message.
func (m *maker) tracker(d *describe.Device) (entity, bool) {
	if d.Topic == "" {
		return entity{}, false
	}
	find := func(names ...string) *describe.Channel {
		for _, n := range names {
			if c, ok := d.Channel(n); ok && !c.HA.LeaveOut && c.NoWay == nil {
				return c
			}
		}
		return nil
	}
	lat, lon := find("latitude", "lat"), find("longitude", "lon", "lng")
	if lat == nil || lon == nil {
		return entity{}, false
	}
	e := entity{id: "__position", component: "device_tracker", keys: keys{
		"json_attributes_topic": m.topic(d.Topic), "source_type": "gps", "name": "position",
		"json_attributes_template": "{% set a, b = " + value(lat.Place) + ", " + value(lon.Place) + " %}" +
			`{% if a is not none and b is not none %}{"latitude": {{ a }}, "longitude": {{ b }}}{% else %}{}{% endif %}`,
	}}
	m.identify(d, &e)
	m.available(d, lat.Name, e.keys)
	return e, true
}
