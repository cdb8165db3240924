package config

import (
	"os"
	"strings"

	"sensorgate/internal/mapping"
	"sensorgate/internal/toml"
)

// topTable is the file as a whole.
type topTable struct {
	Version *int         `toml:"version" example:"1" doc:"The meaning of the keys in this file; docs/migration.md has the history."`
	Node    *string      `toml:"node" example:"\"barn-pi\"" doc:"The name of this gateway, {node} in topics; default: the host name."`
	Topic   topicText    `toml:"topic" example:"\"{node}/{device}/{channel}\"" doc:"The topic of every channel; it may have {node} {device} {channel} {bus} {unit} {model} {class} in it."`
	Payload *payloadText `toml:"payload" example:"\"plain\"" doc:"What a reading looks like: json, plain, or a text with {value} {unit} {time} …."`
	Data    *string      `toml:"data" example:"\"/var/lib/sensorgate\"" doc:"The directory of the journal; \"\" keeps everything in memory."`
	Broker  toml.Subtree `toml:"broker" doc:"The MQTT broker inside this process."`
	Journal toml.Subtree `toml:"journal" doc:"What survives a power cut."`
	History toml.Subtree `toml:"history" doc:"What was measured, kept on this board."`
	Web     toml.Subtree `toml:"web" doc:"The page, the HTTP API and the metrics."`
	HA      toml.Subtree `toml:"homeassistant" doc:"Home Assistant finds all devices by itself; the bare table turns it on."`
	Homie   toml.Subtree `toml:"homie" doc:"Homie controllers find all devices by themselves; the bare table turns it on."`
	Serial  toml.Subtree `toml:"serial" doc:"Each [serial.NAME] is a serial wire with several devices on it."`
	Device  toml.Subtree `toml:"device" doc:"Each [device.NAME] is one thing on a bus or a pin."`
	Bridge  toml.Subtree `toml:"bridge" doc:"Each [bridge.NAME] is an upstream broker."`
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
	if c.Data = usualData(); t.Data != nil {
		c.Data = *t.Data
	}
	if f := l.root.Field("topic"); f != nil {
		l.topicVariables(f, c.Topic)
	}
	if t.Payload != nil {
		c.payload = mapping.Payload(*t.Payload)
	}
	return t
}

// usualData is the data folder where no file names one.
func usualData() string {
	if state := os.Getenv("STATE_DIRECTORY"); state != "" {
		data, _, _ := strings.Cut(state, ":") // systemd.exec(5): several are joined by colons
		return data
	}
	return defaultData
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
	l.cfg.Node, l.cfg.NodeGiven = *name, true
	n := l.root.Field("node")
	if err := validName(strings.ReplaceAll(*name, "/", "")); err != nil && n.Kind == toml.KindString {
		l.AtValue(n, err.Error())
	}
}
