package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Options of a Bridge. Name, URLs and Queue must be given.
type Options struct {
	Name string // of the bridge; messages it brings in have the origin "bridge/NAME"
	Node string // of the gateway

	// URLs are tried in order: mqtt, mqtts, ws, wss.
	URLs     []string               `toml:"urls" required:"true" example:"[\"mqtts://mqtt.example.com:8883\"]" doc:"Where the upstream is, tried in order: mqtt:// mqtts:// ws:// wss://."`
	ClientID string                 `toml:"client_id" example:"\"barn-pi\"" doc:"The client id at the upstream; default: sensorgate-{node}-NAME."`
	User     string                 `toml:"user" example:"\"barn-pi\"" doc:"The user name at the upstream."`
	Password func() (string, error) // asked at each connect; nil: none
	TLS      TLSFiles               `toml:"tls" example:"{ ca = \"/etc/sensorgate/ca.pem\" }" doc:"Certificates, where those of the system do not suffice."`
	Protocol string                 `toml:"protocol" example:"\"auto\"" doc:"The version of MQTT: 5, 3.1.1, or auto, which tries 5 and then 3.1.1."` // default ProtocolAuto

	// Dial opens the byte stream to an upstream; nil: the network of the operating system.
	Dial func(ctx context.Context, u *url.URL) (net.Conn, error)

	// Prefix goes in front of the status topic; the rules have it already.
	Prefix string `toml:"prefix" example:"\"sites/42/\"" doc:"It is put in front of every remote topic of this bridge."`

	// KeepAlive is 60 s by default.
	KeepAlive time.Duration `toml:"keep_alive" doc:"After one and a half times this the upstream knows that we are gone."`

	Status  Status
	Rules   []Rule
	Backlog Rate
	InOrder bool // the backlog goes first and what is live waits behind it
	Late    LateMark

	// Queue is the spool. Its records are messages as mqtt.AppendRecord writes them.
	Queue     *journal.Queue
	SpoolSize int64 // bytes that fit into Queue, for the time to full; 0 unknown
	Store     Store // for what must outlive the process; nil if the spool does not either
	Local     Local

	// Inbound remembers which messages of QoS 2 from the upstream our broker has, each by the
	// record itself; nil: only the ledger does.
	Inbound *journal.Queue

	// Changed is called when the State's Connected or Err has changed; it must not block
	// or call the bridge. May be nil.
	Changed func()

	TimeSynced func() bool // nil: the clock is right
	Log        *slog.Logger
	Version    string
}

// Local is our broker.
type Local interface {
	// Publish returns when the broker has taken the message for all who wait for it,
	// durably where that is promised. It may block while they have no room.
	Publish(ctx context.Context, m mqtt.Message) error

	// PublishOnce is the same, and returns the number of the record, 0 if there is none. It need
	// not be on disk yet. Of a message of QoS 2 with a packet id the record is in q too until q
	// acknowledges its number; one of QoS 1 has neither (nil and 0).
	PublishOnce(ctx context.Context, m mqtt.Message, q *journal.Queue, id uint16) (journal.Seq, error)
}

// TLSFiles of an upstream. They are read at each connect, so that a renewed
// certificate counts without a restart.
type TLSFiles struct {
	CA         string   `toml:"ca" example:"\"/etc/sensorgate/ca.pem\"" doc:"The file with the certificates that are trusted; default: the system's."`
	Cert       string   `toml:"cert" example:"\"/etc/sensorgate/client.crt\"" doc:"The file with our own certificate."`
	Key        string   `toml:"key" example:"\"/etc/sensorgate/client.key\"" doc:"The file with the key of that certificate."`
	ALPN       []string `toml:"alpn" example:"[\"x-amzn-mqtt-ca\"]" doc:"The protocols to ask for with ALPN; AWS on port 443 wants x-amzn-mqtt-ca."`
	ServerName string   `toml:"server_name" example:"\"mqtt.example.com\"" doc:"The name in the upstream's certificate, where it is not the host of the url."`
}

// Status is the retained presence topic at the upstream; Offline is our last will.
type Status struct {
	Topic, Online, Offline string // Topic "" is none; Options.Prefix goes in front

	Stopped string // said at a stop in good order; "": Offline
	Once    bool   // Online is said once per connection: what follows on the topic is announced
}

// Rate bounds the backlog stream, per second; zero is unlimited.
type Rate struct{ Messages, Bytes float64 }

// Rule says which topics go out or come in. Local and Remote are filters or patterns
// with {1} … {rest}, see mqtt.NewRenamer; the prefix is part of Remote.
type Rule struct {
	Out, In       bool
	Local, Remote string
	QoS           byte
	Retain        bool // keep the retain flag

	// Every and Deadband are for what goes out, Queue for what comes in.
	Every    time.Duration `toml:"every" doc:"At most one message per topic is sent in this interval, the newest."`
	Deadband float64       `toml:"deadband" example:"0.1" doc:"A number that differs from the last one sent by less is not sent."`
	Expire   time.Duration `toml:"expire" doc:"What comes in older than this is dropped and counted, so that no old command is executed; default 60s for …/set."` // 0: never
	Newest   bool          // out: only what this process publishes itself, and of each topic only the newest; see Bridge.Offer
	Queue    bool          `toml:"queue" doc:"The upstream keeps what arrives for us while we are away."`
}
