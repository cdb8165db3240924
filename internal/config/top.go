package config

import (
	"os"
	"strings"

	"sensorgate/internal/mapping"
	"sensorgate/internal/toml"
)

// topTable is the file as a whole.
type topTable struct {
	Version *int         `toml:"version" doc:"the meaning of this file's keys; docs/migration.md"`
	Node    *string      `toml:"node" doc:"name of this gateway, {node} in topics; default: the host name"`
	Topic   topicText    `toml:"topic" doc:"topic of every channel; {node} {device} {channel} {bus} {unit} {model} {class}"`
	Payload *payloadText `toml:"payload" doc:"of every channel: json, plain, or a text with {value} {unit} {time} …"`
	Data    *string      `toml:"data" doc:"directory of the journal; \"\" keeps everything in memory"`
	Broker  toml.Subtree `toml:"broker" doc:"the MQTT broker inside this process"`
	Journal toml.Subtree `toml:"journal" doc:"what survives a power cut"`
	Serial  toml.Subtree `toml:"serial" doc:"[serial.NAME]: a serial wire with several devices on it"`
	Device  toml.Subtree `toml:"device" doc:"[device.NAME]: one thing on a bus or a pin"`
	Bridge  toml.Subtree `toml:"bridge" doc:"[bridge.NAME]: an upstream broker"`
}

const (
	defaultTopic = "{node}/{device}/{channel}"
	defaultData  = "/var/lib/sensorgate"
)

func (l *loader) top() *topTable {
	t := &topTable{Topic: defaultTopic}
	l.Table(l.root, t)
	c := l.cfg
	c.Topic = string(t.Topic)
	l.node(t.Node)
	switch state := os.Getenv("STATE_DIRECTORY"); {
	case t.Data != nil:
		c.Data = *t.Data
	case state != "":
		c.Data, _, _ = strings.Cut(state, ":") // systemd.exec(5): several are joined by colons
	default:
		c.Data = defaultData
	}
	if f := l.root.Field("topic"); f != nil {
		l.topicVariables(f, c.Topic)
	}
	if t.Payload != nil {
		c.payload = mapping.Payload(*t.Payload)
	}
	return t
}

func (l *loader) node(name *string) {
	if name == nil {
		host, err := os.Hostname()
		host, _, _ = strings.Cut(host, ".")
		if err != nil || validName(host) != nil {
			host = "sensorgate"
		}
		l.cfg.Node = host
		return
	}
	l.cfg.Node = *name
	n := l.root.Field("node")
	if err := validName(strings.ReplaceAll(*name, "/", "")); err != nil && n.Kind == toml.KindString {
		l.AtValue(n, err.Error())
	}
}
