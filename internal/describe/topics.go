package describe

// Topic is one topic of a gateway.
type Topic struct {
	Topic   string `json:"topic"`
	Device  string `json:"device,omitempty"` // "" of descriptions and of the gateway itself
	Channel string `json:"channel,omitempty"`
	Use     string `json:"use"` // readings, commands, results, status, state, errors, description
	Unit    string `json:"unit,omitempty"`
	QoS     byte   `json:"qos"`
	Retain  bool   `json:"retain"`
}

// Topics lists every topic that the gateway uses for its devices, in the order of the file,
// and for itself. What it has described for controllers (Home Assistant, Homie) is not among
// them.
func (n *Node) Topics() []Topic {
	var out []Topic
	for i := range n.Devices {
		out = append(out, n.Devices[i].topics()...)
	}
	return append(out,
		Topic{Topic: n.StatusTopic, Use: "status", QoS: 1, Retain: true},
		Topic{Topic: n.StateTopic, Use: "state", QoS: 1, Retain: true},
		Topic{Topic: n.ErrorTopic, Use: "errors", QoS: 1, Retain: true})
}

func (d *Device) topics() (out []Topic) {
	if d.Topic != "" {
		out = append(out, Topic{Topic: d.Topic, Device: d.Name, Use: "readings", QoS: d.QoS, Retain: d.Retain})
	}
	for i := range d.Channels {
		c := &d.Channels[i]
		if c.Topic != "" {
			out = append(out, Topic{Topic: c.Topic, Device: d.Name, Channel: c.Name, Use: "readings", Unit: c.Unit, QoS: c.QoS, Retain: c.Retain})
		}
		if c.Writable {
			out = append(out,
				Topic{Topic: c.SetTopic, Device: d.Name, Channel: c.Name, Use: "commands", Unit: c.Unit, QoS: 1},
				Topic{Topic: c.ResultTopic, Device: d.Name, Channel: c.Name, Use: "results", QoS: 1})
		}
	}
	return append(out, Topic{Topic: d.StatusTopic, Device: d.Name, Use: "status", QoS: 1, Retain: true})
}
