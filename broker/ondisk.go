package broker

import (
	"sync"
	"sync/atomic"
)

// What stands in the journal for as long as a session or a retained message exists is never
// dropped to make room. It must leave room for what comes and goes, or the journal would be
// full forever: persistent sessions may take a sixth of the journal's size, retained
// messages of clients an eighth. Beyond it a CONNECT that makes a session, a SUBSCRIBE and a
// retained message are refused, as without memory.
type onDisk struct {
	size     int64 // of the journal; 0: in memory
	sessions atomic.Int64
}

// Bytes, besides the texts. All of it stands twice.
const (
	sessionOnDisk  = 450 // both queues and the entry of a session
	filterOnDisk   = 70
	willOnDisk     = 200
	retainedOnDisk = 64
)

// ofSession is what a session takes without its filters: its id stands in three frames.
func (d *onDisk) ofSession(id string) int64 { return sessionOnDisk + 6*int64(len(id)) }

// ofFilter is what a filter of a session takes.
func (d *onDisk) ofFilter(filter string) int64 { return filterOnDisk + 2*int64(len(filter)) }

// takes reports whether sessions may have n more bytes.
func (d *onDisk) takes(n int64) bool {
	return d.size == 0 || d.sessions.Load()+n <= d.size/6
}

// storedWills knows whose will stands in the journal. The zero value is ready. Its mutex is
// held while the journal is called, so that both change in one order.
type storedWills struct {
	mu   sync.Mutex
	byID map[string]willEntry
	n    uint64
}

type willEntry struct {
	n     uint64 // the newest will of a client id voids those before
	bytes int64
}
