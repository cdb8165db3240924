package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/mqtt"
)

// Stats is what is known of the broker at one moment. Counters count since start.
type Stats struct {
	Uptime           time.Duration
	Clients          int // connected
	ClientsMax       int // at a time, since start
	Sessions         int // connected or kept
	Subscriptions    int
	Retained         int
	RetainedBytes    int64
	Memory           int64 // bytes that clients make us remember; estimated
	MemoryLimit      int64
	Held             Held
	MemoryFor        map[string]int64 // of these, by what they are for
	LongestTurn      time.Duration    // of an event loop, since start
	Connections      uint64           // accepted by a listener
	Refused          uint64           // of these: ended before or by the answer to CONNECT
	RefusedFor       [len(Refusals)]uint64
	ListenerClients  map[string]int // connected, by the URL of their listener
	MessagesReceived uint64         // packets of any type
	MessagesSent     uint64
	PublishReceived  uint64
	PublishSent      uint64
	ReceivedByQoS    [3]uint64 // PublishReceived
	SentByQoS        [3]uint64 // PublishSent
	BytesReceived    uint64
	BytesSent        uint64

	// What was not delivered, and why.
	DroppedSlow     uint64 // QoS 0 to a subscriber that does not keep up
	DroppedOffline  uint64 // QoS 0 for a persistent session that is not connected
	DroppedExpired  uint64 // message expiry ran out
	DroppedTooLarge uint64 // larger than the subscriber accepts
	DroppedDenied   uint64 // publication or delivery against the permissions
	DroppedFull     uint64 // a queue with the policy refuse, or the retained store, had no room
	SlowClosed      uint64 // clients that were disconnected because too much waited for them
	RefusedMemory   uint64 // connections for which the budget, or the bound of sessions, had no room
	RefusedDisk     uint64 // connections whose session the disk did not take within 5 s
	Malformed       uint64 // connections closed for a violation of the protocol
}

// Held counts what waits for the clock. It is of an earlier run and may have expired; nobody
// knows until the clock is set, or for an hour after a step of it, and until then it stays.
type Held struct {
	Messages int  // in queues of sessions, with an expiry
	AtLeast  bool // not all queues were looked through: Messages is a lower bound
	Retained int  // retained messages with an expiry
	Sessions int  // without connection, that do not stand forever
	Wills    int  // with a delay
}

// Dropped is the sum of all messages that were not delivered.
func (s Stats) Dropped() uint64 {
	return s.DroppedSlow + s.DroppedOffline + s.DroppedExpired + s.DroppedTooLarge + s.DroppedDenied + s.DroppedFull
}

// Refusals are why connections are refused, as Stats.RefusedFor counts them.
var Refusals = [...]string{"malformed", "login", "busy", "full", "other"}

// refuse counts a connection that ended before or by the answer to CONNECT.
func (c *counters) refuse(reason mqtt.Reason) {
	c.refused.Add(1)
	c.refusedFor[refusalOf(reason)].Add(1)
}

// refusalOf is an index of Refusals.
func refusalOf(reason mqtt.Reason) int {
	switch reason {
	case mqtt.MalformedPacket, mqtt.ProtocolError, mqtt.UnsupportedVersion:
		return 0
	case mqtt.BadUserNameOrPassword, mqtt.BadAuthMethod, mqtt.NotAuthorized, mqtt.ClientIDNotValid, mqtt.Banned:
		return 1
	case mqtt.ServerBusy, mqtt.ServerUnavailable, mqtt.ConnectionRateExceeded:
		return 2
	case mqtt.QuotaExceeded, mqtt.PacketTooLarge:
		return 3
	}
	return 4
}

// turn notes how long a turn of a loop was.
func (c *counters) turn(d time.Duration) {
	if int64(d) > c.longestTurn.Load() { // several loops may race: then one of the two longest stays
		c.longestTurn.Store(int64(d))
	}
}

// counters are the ones behind Stats. The zero value is ready.
type counters struct {
	clients, clientsMax                 atomic.Int64
	connections, refused                atomic.Uint64
	packetsIn, packetsOut               atomic.Uint64
	publishIn, publishOut               [4]atomic.Uint64 // by QoS
	refusedFor                          [len(Refusals)]atomic.Uint64
	bytesIn, bytesOut                   atomic.Uint64
	slow, offline, expired, tooLarge    atomic.Uint64
	denied, full, slowClosed, malformed atomic.Uint64
	longestTurn                         atomic.Int64  // nanoseconds
	noMemory                            atomic.Uint64 // what was refused because the budget or a bound had no room
	noDisk                              atomic.Uint64 // connections refused because the disk did not answer
}

// heldMessages remembers what a look through the queues has found.
type heldMessages struct {
	mu      sync.Mutex
	looked  time.Time
	n       int
	atLeast bool
}
