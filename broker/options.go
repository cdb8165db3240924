package broker

import (
	"fmt"
	"log/slog"
	"time"

	"sensorgate/broker/poll"
	"sensorgate/internal/journal"
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
	Passwords string `toml:"passwords" example:"\"/etc/sensorgate/passwd\"" doc:"The file with the users and their hashed passwords; sensorgate passwd makes it."`
	ACL       string `toml:"acl" example:"\"/etc/sensorgate/acl\"" doc:"The file that says which user may publish and subscribe to what; without it every user may do everything."`

	// MaxClients bounds the connections at a time; default 10,000.
	MaxClients int `toml:"max_clients" example:"500" doc:"How many clients may be connected at one time."`

	Limits // of all listeners that have no others

	// Memory is how many bytes clients can make the broker remember; default 64 MiB.
	Memory int64 `toml:"memory" quantity:"size" doc:"How much memory all that clients can make the broker remember may take: sessions, subscriptions, retained messages, wills, what waits for them. One client may have an eighth of it, one user half. What does not fit is refused."`

	// MaxSessions bounds the persistent sessions; default 20,000.
	MaxSessions int `toml:"max_sessions" example:"1000" doc:"How many persistent sessions are kept; a client that wants one more is refused."`

	// MaxQueued is how many bytes may wait for one persistent session; default: the journal's size.
	MaxQueued int64 `toml:"max_queued" quantity:"size" doc:"How much may wait for one persistent session; the oldest is dropped beyond it. Default: the size of the journal."`

	// SessionExpiry is how long a session without connection is kept at most, and how long
	// one of a client that cannot say it (3.1, 3.1.1); default 28 days.
	SessionExpiry time.Duration `toml:"session_expiry" doc:"How long a persistent session is kept without its client. A client of MQTT 5 may ask for less; for one of 3.1.1 this counts."`

	// Patient: a listener whose address is taken does not end Run. It is tried again until it
	// opens, first after a second, later every minute.
	Patient bool

	Network poll.Network // where clients come from; nil: the operating system's
	Journal *journal.Journal
	Log     *slog.Logger
	Version string // shown in $SYS

	settleLimit time.Duration // settleTimeout; longer in tests with a disk that is held up
}

const (
	defaultMaxClients    = 10_000
	defaultMaxPacket     = 2_000_000
	defaultMaxSessions   = 20_000
	defaultSessionExpiry = 28 * 24 * time.Hour
)

// settleTimeout is how long a CONNECT waits for the disk. Longer, and it is refused: the
// disk is full or stuck.
const settleTimeout = 5 * time.Second

// DefaultMemory is Options.Memory where it is not set, in bytes.
const DefaultMemory = 64 << 20

// fill puts the defaults in.
func (o *Options) fill() error {
	if o.MaxClients == 0 {
		o.MaxClients = defaultMaxClients
	}
	if o.settleLimit == 0 {
		o.settleLimit = settleTimeout
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = defaultMaxSessions
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.SessionExpiry == 0 {
		o.SessionExpiry = defaultSessionExpiry
	}
	if o.MaxPacketSize == 0 {
		o.MaxPacketSize = defaultMaxPacket
	}
	if err := o.Limits.check(); err != nil {
		return fmt.Errorf("broker: %w", err)
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
	Network  string   // "tcp", "tls", "ws", "wss", "unix"
	Address  string   // host:port or path
	Path     string   // of the WebSocket, default "/mqtt"
	Cert     string   `toml:"cert" example:"\"/etc/sensorgate/server.crt\"" doc:"The certificate file of tls:// and wss://."`
	Key      string   `toml:"key" example:"\"/etc/sensorgate/server.key\"" doc:"The key file of tls:// and wss://."`
	ClientCA string   `toml:"client_ca" example:"\"/etc/sensorgate/clients-ca.pem\"" doc:"If it is given, a client needs a certificate that one in this file has signed."`
	Origins  []string `toml:"origins" example:"[\"https://app.example.com\"]" doc:"The web pages that may connect with ws:// and wss://; default: only those of the same host."`

	// MaxClients bounds the connections at a time on this listener; 0: only the broker's
	// bound counts.
	MaxClients int `toml:"max_clients" example:"500" doc:"How many clients may be connected at one time."`

	Limits // its own; what is not set is the broker's
}

func (l *Listener) String() string { return l.Network + "://" + l.Address }
