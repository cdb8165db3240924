package broker

import (
	"fmt"
	"log/slog"
	"time"

	"sensorgate/broker/poll"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// defaultWindow is how many QoS 1 and 2 messages a client that sets no receive maximum
// may have unacknowledged.
const defaultWindow = 8192

// Bounds of a connection before its CONNECT was accepted.
const (
	connectTimeout   = 10 * time.Second // for all of it, also byte by byte
	maxConnectPacket = 64 << 10
)

// Options of a broker. Journal must be given; one opened without a directory keeps
// everything in memory.
type Options struct {
	Listeners []Listener
	Passwords string `toml:"passwords" doc:"The file with the users and their hashed passwords; sensorgate passwd makes it."`
	ACL       string `toml:"acl" doc:"The file that says which user may publish and subscribe to what; without it every user may do everything."`

	// MaxClients bounds the connections at a time; default 10,000.
	MaxClients int `toml:"max_clients" doc:"How many clients may be connected at one time."`

	// MaxPacketSize is in bytes; default 2,000,000.
	MaxPacketSize int `toml:"max_packet_size" quantity:"size" doc:"The largest packet; a client that sends a larger one is disconnected."`

	// MaxQueued is how many bytes may wait for one persistent session; default: the journal's size.
	MaxQueued int64 `toml:"max_queued" quantity:"size" doc:"How much may wait for one persistent session; the oldest is dropped beyond it. Default: the size of the journal."`

	// MaxKeepAlive bounds how long a silent client is believed to be there; 0: no bound.
	// A client of MQTT 5 is informed, one of 3.1.1 that asks for more, or for none, is refused.
	MaxKeepAlive time.Duration

	Network poll.Network // where clients come from; nil: the operating system's
	Journal *journal.Journal
	Log     *slog.Logger
	Version string // shown in $SYS
}

const (
	defaultMaxClients = 10_000
	defaultMaxPacket  = 2_000_000
)

// fill puts the defaults in.
func (o *Options) fill() error {
	if o.MaxClients == 0 {
		o.MaxClients = defaultMaxClients
	}
	if o.MaxPacketSize == 0 {
		o.MaxPacketSize = defaultMaxPacket
	}
	if o.MaxPacketSize > mqtt.MaxRemaining {
		return fmt.Errorf("broker: max packet size %d is more than MQTT can express (%d)", o.MaxPacketSize, mqtt.MaxRemaining)
	}
	if o.Network == nil {
		o.Network = poll.Kernel{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Listener is one place where clients connect.
type Listener struct {
	Network  string // "tcp", "tls", "ws", "wss", "unix"
	Address  string // host:port or path
	Path     string // of the WebSocket, default "/mqtt"
	Cert     string // files of tls and wss
	Key      string
	ClientCA string   // client certificates are required and checked against this
	Origins  []string // allowed for ws and wss; empty: same origin

	MaxClients    int // connections at a time on this listener; 0: the broker's
	MaxPacketSize int // 0: the broker's
	MaxPerAddress int // connections at a time from one address; 0: no limit
}

func (l *Listener) String() string { return l.Network + "://" + l.Address }
