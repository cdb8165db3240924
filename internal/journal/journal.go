package journal

import (
	"errors"
	"log/slog"
	"time"

	"sensorgate/internal/disk"
)

// Seq numbers the records of a journal, from 1, in the order of their appends. It
// never goes back and is never used twice, also not after a power cut.
type Seq uint64

// CommitClass says how long a record may wait for others before it is committed.
type CommitClass uint8

const (
	Telemetry CommitClass = iota // within Options.Commit: our own readings, QoS 0
	Event                        // at idle or within 5 ms: somebody waits for an acknowledgement
)

// Policy says what happens to a record for which a queue has no room.
type Policy uint8

const (
	DropOldest Policy = iota // make room: the oldest records of the queue go, counted
	DropNewest               // the new record does not enter this queue, counted
	Refuse                   // the append fails with ErrFull and enters no queue
)

// What a caller may branch on.
var (
	ErrFull   = errors.New("queue is full")
	ErrClosed = errors.New("journal is closed")
	ErrFailed = errors.New("journal failed: the disk did not take the data") // final until reopened

	ErrTooLarge = errors.New("record is too large for the journal") // more than 16 MiB
	ErrInUse    = disk.ErrLocked
	ErrFormat   = errors.New("not a journal that this program can read")
)

// Options of a journal. Only Dir must be given for a durable one.
type Options struct {
	Dir         string // "" keeps everything in memory: nothing survives the process
	SegmentSize int64  // bytes; default 4 MiB, on a file system of less than 256 MiB 1 MiB

	// Commit is the window of the telemetry class; default 1 s.
	Commit time.Duration `toml:"commit" doc:"How much of our own readings a power cut may cost; a shorter time wears the card more."`

	// Size is how many bytes all segments may have; default 512 MiB.
	Size int64 `toml:"size" quantity:"size" doc:"How much the journal may take on the disk."`

	// FreeFloor is how many bytes of the file system are never used, but at most a quarter of
	// it; default max(64 MiB, 5 %).
	FreeFloor int64 `toml:"keep_free" quantity:"size" doc:"How much the journal leaves free on the disk for others, whatever its size may be."`

	Log *slog.Logger

	// SeqStep is how many Seqs are handed out before the log must know of more, and so at
	// most how many a crash skips: no Seq is used twice. Default 2^20, at least 1,024. Who
	// makes numbers of a smaller range out of Seqs chooses it so that those of many runs
	// in a row lie far apart (broker.SeqStep).
	SeqStep Seq

	// TimeSynced reports whether the clock is set; nil: it is. Wall returns its time; nil: of
	// the operating system. Both may be called from any goroutine and must not block.
	TimeSynced func() bool
	Wall       func() time.Time

	// Twice has prefixes of the keys whose newest value stands twice, in different pages
	// and files: what more than one message hangs on. One damaged bit then costs nothing.
	Twice []string

	FS disk.FS // nil: the real file system. For tests: crashdisk, read-only, or counted
}

// Limits bound one queue.
type Limits struct {
	// Bytes bounds the records that wait; 0: only the journal's own size does.
	Bytes int64 `toml:"size" quantity:"size" doc:"How much may wait on the disk."`

	// Age is after how long a record is dropped and counted; 0: never.
	Age time.Duration `toml:"keep" doc:"Older messages are dropped and counted."`

	// Reserve is how many bytes of the journal this queue may fill before others are
	// preferred to it when the journal is full.
	Reserve int64

	// Brief, if set, says of a record what the queue needs of it, in a few bytes: when nobody
	// else waits for it and room is made, only that is kept. It must not change its argument,
	// and returns it if there is nothing to be left out. Such a queue drops after all others
	// what is in its reserve, and a record counts for it with 64 bytes at most.
	Brief func(data []byte) []byte

	Full   Policy
	Memory bool // never on disk: an append to it counts as committed at once
}

// Waiter hears what became of an append. Its method runs on the journal's
// goroutine or on that of whoever acknowledged last; it must not block and must not
// call the journal. An interface and not a func, so that an append allocates nothing.
type Waiter interface {
	// Committed is called once per append that carried this Waiter: err is nil when
	// the record is on disk or every consumer has acknowledged it, whichever is first;
	// ErrFailed if it can never be. Calls for appends to one class come in the order of
	// the appends.
	Committed(token uint64, err error)
}

// Done is a Waiter that somebody waits for: make it with room for each append that carries
// it, and receive what became of them.
type Done chan error

// Committed implements Waiter.
func (d Done) Committed(_ uint64, err error) { d <- err }

// Record is what Append takes.
type Record struct {
	Data   []byte   // the journal keeps it: the caller never changes it again
	To     []*Queue // at least one; the slice is not kept
	Class  CommitClass
	Waiter Waiter // may be nil
	Token  uint64 // handed to Waiter

	// With: it belongs to the record before it in the same call, and is refused if that was.
	With bool

	// Seq is set by Append, in the caller's slice, before it returns: the number the
	// record got, 0 if it was refused. The broker hands a message to a connected
	// session without reading it back from the queue, and acknowledges it by this.
	Seq Seq
}

// Item is one record as a consumer sees it.
type Item struct {
	Seq  Seq
	Time time.Time // of the append, wall clock
	Data []byte    // shared: do not change
	// Gap is how many records of this queue were dropped directly before this one
	// since the last Read that reported any.
	Gap uint64
}

// QueueStats is what is known of a queue at one moment.
type QueueStats struct {
	Name         string
	Waiting      uint64 // records not yet acknowledged
	WaitingBytes int64
	Oldest       time.Time // append time of the oldest that waits; zero if none
	Appended     uint64    // since the queue exists
	Acked        uint64
	DroppedFull  uint64 // by policy, when full
	DroppedAge   uint64
	Damaged      uint64 // lost to damage of the store
}

// Stats is what is known of a journal at one moment.
type Stats struct {
	Failed         error         `json:"-"` // ErrFailed or ErrFull with the reason, or nil
	Records, Bytes uint64        // that wait for at least one queue
	Segments       int           // files, in use and spare
	DiskBytes      int64         // their size
	BytesWritten   uint64        // to the files since Open, for the wear report
	BytesPrepared  uint64        // of them the zeroes of new files, which are then used again and again: no measure of a day
	Syncs          uint64        // since Open
	LastSync       time.Duration // how long the newest took
	SyncTime       time.Duration // all commits with a sync together
	SyncedCommits  uint64        // how many these were
	LastCommit     time.Time     // progress, for the watchdog
	Damaged        uint64        // records and values lost to damage, found at Open or at read
	AgeHeld        uint64        // records with a bound on their age that waits for the clock to be set, or for an hour after a step
	ClockSteps     uint64        // of a minute and more, since Open
	ClockStep      time.Duration // the newest
	DamagedAtLeast bool          // Damaged is a lower bound: what is missing cannot be counted
	TornBytes      uint64        // of the tail that was cut at Open
}
