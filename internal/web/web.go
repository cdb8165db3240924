package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/history"
	"sensorgate/internal/status"
)

// Options of a Server.
type Options struct {
	config.Web // what the configuration says

	Gateway Gateway
	Config  Configuration
	Broker  Broker
	Machine Machine
	Users   Users    // nil: nobody can log in
	Ring    *LogRing // of the whole gateway; nil: the log is not served
	Log     *slog.Logger
	Version string
	Demo    bool // all is made up; the page says so
}

// Gateway is what the server asks. All methods may be called at any time, by several
// goroutines, and wait for no device but Command, which waits for its result.
type Gateway interface {
	Snapshot() status.Snapshot
	Describe() describe.Node
	History() *history.Store // nil: nothing is kept
	Command(ctx context.Context, c Command) (Result, error)
	Alive() error // nil while all loops make progress; the watchdog's answer
	Ready() error // nil if it listens, the journal takes records and the configuration is applied
}

// Users are those of the broker.
type Users interface {
	// Verify checks a password in the broker's queue of logins. It returns nil, an error
	// that wraps ErrBusy when the queue is full or the user or address has to wait, or
	// another error.
	Verify(ctx context.Context, user string, password []byte, from netip.Addr) error
	// Stamp changes whenever the user's password does; "" if there is no such user.
	Stamp(user string) string
}

// Command is a wanted state of a channel, from a person or a script.
type Command struct {
	Device, Channel string
	Value           json.RawMessage // as on the …/set topic: "on", 21.5, true
	User            string          // for the log; "" from loopback
	Timeout         time.Duration
}

// Result is what became of a Command.
type Result struct {
	Result string `json:"result"`           // done, refused, failed, timeout
	Reason string `json:"reason,omitempty"` // why not
}

// Server serves the gateway over HTTP. Make it with New; Run serves until its context
// ends. Hub and Log may be used before.
type Server struct {
	o                Options
	log              *slog.Logger
	hub              *Hub
	logins           *logins
	tokens           *tokens
	conns            *connLimit
	pace             *requestPace
	quick, heavy     places
	started          time.Time
	saves, publishes *pace
	handlers         handlers
	counts           counts
	document         func() []byte // of the API

	certsMu sync.Mutex
	certs   map[string]*certificate // by address
}

// New makes a server; it opens nothing.
func New(o Options, hub *Hub) *Server {
	if o.MaxConnections == 0 {
		o.MaxConnections = 64
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = 32
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	hub.limit(o.MaxStreams)
	s := &Server{o: o, log: o.Log, hub: hub, logins: newLogins(), tokens: newTokens(o.Tokens), started: time.Now(), saves: newPace(10, 6*time.Second), publishes: newPace(20, time.Second), certs: map[string]*certificate{}}
	s.quick, s.heavy = newPlaces(), newPlaces()
	s.pace = newRequestPace(func() { s.counts.slowed.Add(1) })
	s.conns = newConnLimit(o.MaxConnections, &s.counts)
	s.handlers = s.routes()
	s.document = sync.OnceValue(s.makeDocument)
	return s
}

// Inherit takes over who is logged in from the server before. What each may do is asked of
// the new configuration with every request.
func (s *Server) Inherit(before *Server) { s.logins = before.logins }
