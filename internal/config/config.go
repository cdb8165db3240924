package config

import (
	"sensorgate/bridge"
	"sensorgate/broker"
	"sensorgate/drivers"
	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/toml"
)

// Problems are the faults and warnings of one run, sorted by place.
type Problems = toml.Problems

// Config is one checked configuration. Nobody changes it; a reload makes another.
type Config struct {
	Files []string // that it was read from, the main one first
	Node  string   // {node} in topics
	Topic string   // default template of every channel
	Data  string   // directory of the journal; "" is memory only

	Broker  broker.Options  // what the file says of them; the gateway adds the rest
	Journal journal.Options // without Dir, which is Data
	History History         // without Dir, which lies in Data
	Web     Web

	NodeGiven     bool // in the file; else Node is the host name, which may change
	HomeAssistant HomeAssistant
	Homie         Homie
	Serial        []SerialBus // in the order of the file, like all lists here
	Devices       []Device
	Bridges       []Bridge

	payload mapping.Payload // default of every channel
}

// SerialBus is [serial.NAME], a wire with several devices on it. Options is what the
// catalogue's serial bus options made (serial.PortOptions).
type SerialBus struct {
	Name    string
	Options any

	text toml.TableText
}

// Device is [device.NAME].
type Device struct {
	Name   string
	Driver drivers.Driver
	Model  string                // template it came from, "" if none
	Config drivers.DeviceConfig  // without Store
	Expect []drivers.Expectation // channels that must come, or that the model or driver lists
	Map    mapping.Device

	Title     string            // of the model: "Eastron SDM630 three-phase energy meter"
	Channels  []drivers.Channel // what is known of each of Map.Channels, in their order
	Described Described

	text toml.TableText
}

// Bridge is [bridge.NAME]. Of its Options the file fills everything but what the gateway
// connects it to.
type Bridge struct {
	bridge.Options
	Secret Secret // where the password is
	Spool  journal.Limits
	Made   int // so many of the last Rules are not in the file: a convention made them

	text toml.TableText
}

// Secret is where a secret is; the value is read when it is needed, so that a
// changed file counts at the next connect.
type Secret struct {
	File, Env, Credential string // at most one is set
}
