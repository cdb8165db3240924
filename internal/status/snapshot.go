package status

import (
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/journal"
)

// Snapshot is the whole gateway at one moment. Its JSON is what the local socket
// serves and what is published on {node}/gateway/state; names are only added.
type Snapshot struct {
	Node       string    `json:"node"`
	Version    string    `json:"version"`
	Time       time.Time `json:"time"`
	TimeSynced bool      `json:"time_synced"`
	Started    time.Time `json:"started"`
	Listeners  []string  `json:"listeners"`

	// NotListening is why each listener that could not be opened yet is not, and what to try.
	NotListening []string `json:"not_listening"`

	// Files are those of the configuration that holds, the main file first.
	Files []string `json:"config_files,omitempty"` // not in {node}/gateway/state

	Devices   []Device   `json:"devices"`
	Upstreams []Upstream `json:"upstreams"`
	LeftOver  []LeftOver `json:"left_over,omitempty"`
	Broker    Broker     `json:"broker"`
	Journal   Journal    `json:"journal"`
	ConfigErr string     `json:"config_error,omitempty"` // why the last reload was refused
	Counts    Counts     `json:"-"`

	WaitsForClock *WaitsForClock `json:"waits_for_clock,omitempty"` // absent: nothing does

	// How many devices and channels are in which state, and up to 50 that are not well.
	DeviceStates  map[drivers.Condition]int `json:"device_states"`
	ChannelStates map[drivers.Condition]int `json:"channel_states"`
	NotWell       []NotWell                 `json:"not_well"`
}

// WaitsForClock counts what an earlier run has left and what may have expired: nobody knows until
// the clock is set, nor for an hour after a step of it, and until then it stays.
type WaitsForClock struct {
	Records  uint64 `json:"records"`  // in queues that drop what is too old: spools
	Messages int    `json:"messages"` // with an expiry, in the queues of sessions; counted once a minute at most
	AtLeast  bool   `json:"messages_at_least,omitempty"`
	Retained int    `json:"retained"` // messages with an expiry
	Sessions int    `json:"sessions"`
	Wills    int    `json:"wills"` // with a delay
}

// WaitingForClock returns nil if nothing waits.
func WaitingForClock(j journal.Stats, w WaitsForClock) *WaitsForClock {
	if w.Records = j.AgeHeld; w == (WaitsForClock{}) {
		return nil
	}
	return &w
}

// NotWell is a device, or one of its channels while the device itself answers.
type NotWell struct {
	Device  string            `json:"device"`
	Channel string            `json:"channel,omitempty"`
	State   drivers.Condition `json:"state"`
}

// maxNotWell bounds the names in a snapshot: it is one message, whatever happens.
const maxNotWell = 50

// Count fills in the states and those that are not well.
func (s *Snapshot) Count() {
	s.DeviceStates, s.ChannelStates, s.NotWell = map[drivers.Condition]int{}, map[drivers.Condition]int{}, []NotWell{}
	add := func(n NotWell) {
		if len(s.NotWell) < maxNotWell {
			s.NotWell = append(s.NotWell, n)
		}
	}
	for _, d := range s.Devices {
		s.DeviceStates[d.State]++
		if d.State != drivers.OK && d.State != drivers.Starting && d.State != drivers.Degraded {
			add(NotWell{d.Name, "", d.State})
		}
		for _, c := range d.Channels {
			s.ChannelStates[c.State]++
			if c.State == drivers.Failing && d.State == drivers.Degraded {
				add(NotWell{d.Name, c.Name, c.State})
			}
		}
	}
}

// Device is one device and the newest value of each of its channels.
type Device struct {
	Name     string            `json:"name"`
	Driver   string            `json:"driver"`
	State    drivers.Condition `json:"state"`
	Error    string            `json:"error,omitempty"`
	Since    time.Time         `json:"since"`
	Readings uint64            `json:"readings"`
	Dropped  uint64            `json:"dropped"` // the broker was slower than the device
	Counters drivers.Counters  `json:"-"`
	Channels []Channel         `json:"channels"`
}

// Channel is the condition of one channel and its newest good reading: as it is published,
// after the filters, and as it came from the device.
type Channel struct {
	Name    string            `json:"name"`
	State   drivers.Condition `json:"state"`
	Error   string            `json:"error,omitempty"`
	Since   time.Time         `json:"since,omitzero"`   // of the last change of State
	Repeats uint64            `json:"repeats,omitzero"` // how often the same fault came again
	Value   Value             `json:"value,omitzero"`   // absent: nothing good came yet
	Unit    string            `json:"unit,omitempty"`
	Time    time.Time         `json:"time,omitzero"`
	Raw     Value             `json:"raw,omitzero"`
	RawUnit string            `json:"raw_unit,omitempty"`
}

// Upstream is one bridge.
type Upstream struct {
	Name         string    `json:"name"`
	Connected    bool      `json:"connected"`
	URL          string    `json:"url"`
	Since        time.Time `json:"since"`
	Error        string    `json:"error,omitempty"`
	Waiting      uint64    `json:"waiting"`
	WaitingBytes int64     `json:"waiting_bytes"`
	Oldest       time.Time `json:"oldest,omitzero"`
	FullIn       float64   `json:"full_in_seconds,omitempty"` // until the spool is full at the present rate
	Sent         uint64    `json:"sent"`
	Received     uint64    `json:"received"`
	Dropped      uint64    `json:"dropped"`
	Ignored      uint64    `json:"ignored"` // echoes, loops, stale commands

	Connects   uint64            `json:"-"`                     // connections that the upstream accepted
	InFlight   int64             `json:"-"`                     // messages that wait for its acknowledgement
	Limit      int64             `json:"limit_bytes,omitzero"`  // that may wait
	DroppedFor map[string]uint64 `json:"dropped_for,omitempty"` // by reason

	Gaps *Gaps `json:"gaps,omitempty"` // nil: nothing is reported to this upstream
	Will *Will `json:"will,omitempty"` // nil: it publishes nothing when we are gone
}

// Gaps is what was reported to the upstream of the messages that it will never get.
type Gaps struct {
	Topic        string            `json:"topic"`
	Total        uint64            `json:"total"`                  // messages since the first start
	Unreported   uint64            `json:"unreported"`             // of these, those in no record that the upstream has
	Why          map[string]uint64 `json:"why,omitempty"`          // of Unreported
	Records      uint64            `json:"records"`                // that it acknowledged, since the start
	LastReported time.Time         `json:"last_reported,omitzero"` // when it acknowledged the last of these
}

// Will is what the upstream publishes when the connection breaks, and what the gateway
// publishes there while it stands.
type Will struct {
	Topic   string `json:"topic"`
	Online  string `json:"online"`
	Offline string `json:"offline"`
	QoS     byte   `json:"qos"`
	Retain  bool   `json:"retain"`
}

// LeftOver is what a convention has described at an upstream, and what must be removed
// there: it waits for the upstream.
type LeftOver struct {
	Bridge     string    `json:"bridge"` // that was, or is, in the file
	Convention string    `json:"convention"`
	URL        string    `json:"url"`
	Since      time.Time `json:"since,omitzero"`
	Error      string    `json:"error,omitempty"` // why it is not removed yet
	Try        string    `json:"try"`             // the command that removes it by hand
}

// Broker is the local broker.
type Broker struct {
	Clients       int    `json:"clients"`
	Subscriptions int    `json:"subscriptions"`
	Retained      int    `json:"retained"`
	Received      uint64 `json:"received"`
	Sent          uint64 `json:"sent"`
	Dropped       uint64 `json:"dropped"`
	Sessions      int    `json:"sessions"` // connected, or kept for a client that is away

	Memory        int64            `json:"memory_bytes"` // that clients make the broker remember, estimated
	MemoryLimit   int64            `json:"memory_limit_bytes"`
	MemoryFor     map[string]int64 `json:"memory_for,omitempty"` // bytes, by what they are for
	RefusedMemory uint64           `json:"refused_for_memory"`   // connections
	RefusedDisk   uint64           `json:"refused_for_disk"`     // connections whose session the disk did not take within 5 s
	LongestTurn   float64          `json:"longest_turn_ms"`      // of an event loop, since start
}

// Journal is the durable log.
type Journal struct {
	Dir          string    `json:"dir,omitempty"` // empty: memory only
	Error        string    `json:"error,omitempty"`
	Records      uint64    `json:"records"`
	Bytes        uint64    `json:"bytes"`
	BytesWritten uint64    `json:"bytes_written"`
	PerDay       uint64    `json:"bytes_written_per_day"`
	DiskBytes    int64     `json:"disk_bytes"`  // of its files
	Limit        int64     `json:"limit_bytes"` // that they may have
	Free         int64     `json:"free_bytes"`  // on its file system; below 0: not known
	Syncs        uint64    `json:"syncs"`
	LastCommit   time.Time `json:"last_commit,omitzero"`
	Damaged      uint64    `json:"damaged"`
	AtLeast      bool      `json:"damaged_at_least,omitempty"` // damaged is a lower bound
	AgeHeld      uint64    `json:"age_held"`                   // records whose age nobody can judge until the clock is set
	ClockSteps   uint64    `json:"clock_steps"`                // of the wall clock, of a minute and more, since the start
	ClockStep    float64   `json:"clock_step_seconds,omitempty"`
}

// FromJournal fills in what the journal reports of itself.
func FromJournal(dir string, s journal.Stats, running time.Duration) Journal {
	j := Journal{
		Dir: dir, Records: s.Records, Bytes: s.Bytes, BytesWritten: s.BytesWritten,
		DiskBytes: s.DiskBytes, Syncs: s.Syncs, LastCommit: s.LastCommit, Damaged: s.Damaged, AtLeast: s.DamagedAtLeast,
		AgeHeld: s.AgeHeld, ClockSteps: s.ClockSteps, ClockStep: s.ClockStep.Seconds(),
	}
	if s.Failed != nil {
		j.Error = s.Failed.Error()
	}
	if running > time.Minute {
		// Files are made once and used again: their making says nothing of a day.
		j.PerDay = uint64(float64(s.BytesWritten-s.BytesPrepared) * float64(24*time.Hour) / float64(running))
	}
	return j
}
