package broker

import (
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// ageOf returns how long ago an earlier run made a stamp; ok is false while that cannot be
// judged, and in the first seconds, when a time server may be years ahead without having
// stepped.
func (b *Broker) ageOf(stamp time.Time) (age time.Duration, ok bool) {
	if stamp.IsZero() || time.Since(b.started) < journal.StartGrace {
		return 0, false
	}
	return b.journal.AgeOf(stamp)
}

// What one look reads at most, of a queue and of all, and how often it is worth it.
const (
	heldPerQueue = 1024
	heldInAll    = 16384
	heldEvery    = time.Minute
)

// held counts what waits for the clock. Sessions and wills are counted as they come and go;
// messages are counted anew once a minute at most: their expiry stands in the records.
func (b *Broker) held() (h Held) {
	if _, ok := b.ageOf(time.Now()); !ok { // the clock does not count, whatever the stamp
		h.Sessions, h.Wills = int(b.unsure.sessions.Load()), int(b.unsure.wills.Load())
	}
	h.Retained = b.retained.held()
	m := &b.heldMessages
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.looked.IsZero() || now.Sub(m.looked) >= heldEvery {
		m.looked = now
		m.n, m.atLeast = countHeld(b.queues())
	}
	h.Messages, h.AtLeast = m.n, m.atLeast
	return h
}

// queues returns those of all persistent sessions.
func (b *Broker) queues() (list []*journal.Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		if s.queue != nil {
			list = append(list, s.queue)
		}
	}
	return list
}

// countHeld looks through the queues that hold records of which nobody knows the age.
func countHeld(queues []*journal.Queue) (n int, atLeast bool) {
	read := 0
	for _, q := range queues {
		if q.Unsure() == 0 {
			continue
		}
		if read >= heldInAll {
			return n, true
		}
		found, looked, all := countHeldIn(q)
		n, read, atLeast = n+found, read+looked, atLeast || !all
	}
	return n, atLeast
}

// countHeldIn looks at the oldest records of a queue; all reports that there are no more.
func countHeldIn(q *journal.Queue) (found, looked int, all bool) {
	var items []journal.Item
	for after := journal.Seq(0); looked < heldPerQueue; looked += len(items) {
		var err error
		if items, err = q.Read(after, 256, items[:0]); err != nil || len(items) == 0 {
			return found, looked, true
		}
		for i := range items {
			after = items[i].Seq
			if _, sure := q.Age(&items[i]); sure {
				continue
			}
			rec, err := mqtt.ViewRecord(items[i].Data)
			if err != nil {
				continue
			}
			if has, _ := rec.Expiry(); has {
				found++
			}
		}
	}
	return found, looked, false
}
