package broker

import "sync"

// unsettled are the client ids of persistent sessions that have ended, as long as the disk
// does not know it: after a power cut they would be back. The zero value is ready. Its mutex
// is one of the innermost: the journal calls in from wherever it is.
type unsettled struct {
	mu  sync.Mutex
	ids map[string]uint64 // the number of the newest end
	n   uint64
}

// add notes that the session of a client id has ended, and numbers the end.
func (u *unsettled) add(id string) (end uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids == nil {
		u.ids = map[string]uint64{}
	}
	u.n++
	u.ids[id] = u.n
	return u.n
}

// has reports whether the disk may not know of an end.
func (u *unsettled) has(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ids[id] != 0
}

// endOnDisk hears when the disk knows of the end of a session.
type endOnDisk struct {
	u  *unsettled
	id string
}

// Committed implements journal.Waiter; the token is the number of the end.
func (w endOnDisk) Committed(end uint64, err error) {
	w.u.mu.Lock()
	defer w.u.mu.Unlock()
	if err == nil && w.u.ids[w.id] == end {
		delete(w.u.ids, w.id)
	}
}

// storedExpiry is what the disk is sure to know of how long a session outlives its connection: CONNACK promises it. The
// zero value is ready, and not sure. Its mutex is one of the innermost.
type storedExpiry struct {
	mu      sync.Mutex
	n       uint64 // of the newest write that changes it
	seconds uint32
	sure    bool
}

// is reports whether the disk knows this expiry, and nothing else is on its way there.
func (e *storedExpiry) is(seconds uint32) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sure && e.seconds == seconds
}

// changes notes a write, and numbers it if it is not what the disk knows already.
func (e *storedExpiry) changes(seconds uint32) (n uint64, yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sure && e.seconds == seconds {
		return 0, false
	}
	e.n++
	e.seconds, e.sure = seconds, false
	return e.n, true
}

// written notes that a write is on disk.
func (e *storedExpiry) written(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sure = e.sure || e.n == n
}

// restored is what an earlier run has left.
func (e *storedExpiry) restored(seconds uint32) { e.seconds, e.sure = seconds, true }
