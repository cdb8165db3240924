package config

import (
	"time"

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

	Broker  Broker
	Journal Journal
	Serial  []SerialBus // in the order of the file, like all lists here
	Devices []Device
	Bridges []Bridge

	payload mapping.Payload // default of every channel
}

// Broker is [broker].
type Broker struct {
	Listeners []Listener
	Passwords string // file, "" for none
	ACL       string // file, "" for none
	// MaxClients and the like: see configs/reference.toml.
	MaxClients    int
	MaxPacketSize int
	MaxQueued     int64 // bytes that wait for one persistent session
}

// Listener is one entry of broker.listen.
type Listener struct {
	Network  string // "tcp", "tls", "ws", "wss", "unix"
	Address  string // host:port or path
	Path     string // of the WebSocket, default "/mqtt"
	Cert     string // files of tls and wss
	Key      string
	ClientCA string   // client certificates are required and checked against this
	Origins  []string // allowed for ws and wss; empty: same origin
}

// Journal is [journal].
type Journal struct {
	Commit    time.Duration
	Size      int64
	FreeFloor int64
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
	Model  string               // template it came from, "" if none
	Config drivers.DeviceConfig // without Store
	Map    mapping.Device

	text toml.TableText
}

// Bridge is [bridge.NAME].
type Bridge struct {
	Name      string
	URLs      []string
	ClientID  string // default: sensorgate-{node}-NAME
	User      string
	Password  Secret
	TLS       TLS
	Protocol  string // "3.1.1" or "5"
	Prefix    string
	KeepAlive time.Duration
	Spool     Spool
	Status    BridgeStatus
	Rules     []Rule

	text toml.TableText
}

// Secret says where a secret is; the value is read when it is needed, so that a
// changed file counts at the next connect.
type Secret struct {
	File, Env, Credential string // at most one is set
}

// TLS of an upstream.
type TLS struct {
	CA, Cert, Key string // files; no CA: the system's
	ALPN          []string
	ServerName    string
}

// Spool of a bridge.
type Spool struct {
	Memory      bool
	Size        int64
	Keep        time.Duration
	Full        journal.Policy
	Backlog     toml.Rate
	OldestFirst bool   // what is live waits behind what waited
	LateTopic   string // in front of the topic of what waited; MQTT 3.1.1
	LatePayload bool   // "late":true in the payload of what waited; MQTT 3.1.1
}

// BridgeStatus is the retained last-will topic at the upstream.
type BridgeStatus struct {
	Topic, Online, Offline string // Topic "" is none; the bridge puts its prefix in front
}

// Rule says which topics a bridge sends or fetches.
type Rule struct {
	Out, In       bool   // dir
	Local, Remote string // filters or patterns with {1}…{rest}; {node} is already filled in, prefix added
	QoS           byte
	Retain        bool // keep the retain flag; default true
	Every         time.Duration
	Deadband      float64
	Expire        time.Duration
	Queue         bool // in rules: the upstream keeps our session and what arrives while we are away
}
