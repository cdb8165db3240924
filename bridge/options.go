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
	Name     string // of the bridge; messages it brings in have the origin "bridge/NAME"
	Node     string // of the gateway
	ClientID string
	User     string
	Prefix   string // in front of the status topic; the rules have it already
	Protocol string // "3.1.1" or "5"

	// URLs are tried in order: mqtt, mqtts, ws, wss.
	URLs     []string
	Password func() (string, error) // asked at each connect; nil: none
	TLS      TLSFiles

	// Dial opens the byte stream to an upstream; nil: the network of the operating system.
	Dial func(ctx context.Context, u *url.URL) (net.Conn, error)

	KeepAlive time.Duration // default 60 s
	Status    Status
	Rules     []Rule
	Backlog   Rate
	InOrder   bool // the backlog goes first and what is live waits behind it
	Late      LateMark

	// Queue is the spool. Its records are messages as mqtt.AppendRecord writes them.
	Queue     *journal.Queue
	SpoolSize int64 // bytes that fit into Queue, for the time to full; 0 unknown
	Store     Store // for what must outlive the process; nil if the spool does not either
	Local     Local

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
}

// TLSFiles of an upstream. They are read at each connect, so that a renewed
// certificate counts without a restart.
type TLSFiles struct {
	CA         string // "" the system's
	Cert, Key  string // of the client, "" none
	ALPN       []string
	ServerName string // "" the host of the URL
}

// Status is the retained presence topic at the upstream; Offline is our last will.
type Status struct {
	Topic, Online, Offline string // Topic "" is none; Options.Prefix goes in front
}

// Rate bounds the backlog stream, per second; zero is unlimited.
type Rate struct{ Messages, Bytes float64 }

// Rule says which topics go out or come in. Local and Remote are filters or patterns
// with {1} … {rest}, see mqtt.NewRenamer; the prefix is part of Remote.
type Rule struct {
	Out, In       bool
	Local, Remote string
	QoS           byte
	Retain        bool          // keep the retain flag
	Every         time.Duration // out: at most one message per topic and interval
	Deadband      float64       // out: only values that differ by more than this
	Expire        time.Duration // older messages are dropped and counted; 0 never
	Queue         bool          // in: the upstream keeps what arrives while we are away
}
