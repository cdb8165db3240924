package broker

import (
	"runtime"
	"time"

	"sensorgate/internal/journal"
)

// dropExpired removes the retained messages that have expired, from memory and disk, a slice at a
// time: publishers wait for the lock.
func (b *Broker) dropExpired() {
	t := &b.retained
	t.mu.RLock()
	cursor, more := t.tree.All(), t.ends > 0
	t.mu.RUnlock()
	for more {
		var found []*retained
		now := time.Now()
		t.mu.RLock()
		more = cursor.Next(sliceNodes, func(r *retained) bool {
			if t.expired(r, now) {
				found = append(found, r)
			}
			return len(found) < sliceMessages
		})
		t.mu.RUnlock()
		t.mu.Lock()
		for _, r := range found {
			if t.tree.Get(r.topic) == r { // else there is a newer one
				t.removeLocked(r.topic)
				b.journal.Delete(keyRetained+r.topic, journal.Telemetry)
			}
		}
		t.mu.Unlock()
		runtime.Gosched() // the loops first
	}
}
