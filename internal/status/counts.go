package status

import (
	"time"

	"sensorgate/drivers"
)

// Counts are the figures that only metrics show: what is published as the gateway's state
// stays small. All counters count since the start.
type Counts struct {
	Buses    []drivers.BusCounters
	Broker   BrokerCounts
	Journal  JournalCounts
	Commands map[string]uint64 // by result: done, refused, failed, timeout
	Reloads  [2]uint64         // refused, applied
	Reloaded time.Time         // the last of both; zero: none yet

	Certificates map[string]time.Time // when those of the listeners end, by file
}

// BrokerCounts are what the broker counted.
type BrokerCounts struct {
	ReceivedByQoS, SentByQoS [3]uint64      // messages
	BytesReceived, BytesSent uint64         // of the protocol
	Connections              uint64         // accepted by a listener
	ListenerClients          map[string]int // connected now, by listener
	RetainedBytes            int64
	SlowClosed               uint64            // clients that were disconnected because too much waited for them
	Malformed                uint64            // connections closed for a violation of the protocol
	RefusedFor               map[string]uint64 // connections, by reason
	DroppedFor               map[string]uint64 // messages, by reason
}

// JournalCounts are what the journal counted.
type JournalCounts struct {
	SyncTime      time.Duration
	SyncedCommits uint64
	TornBytes     uint64 // cut off the tail at the start
}
