package broker

import (
	"time"
)

// wheel looks at sockets when their deadline comes, to the second. Moving a deadline
// later costs nothing: the socket is looked at by the old one and put back. The zero
// value is ready.
type wheel struct {
	slots   [64][]*socket
	next    int64 // second that advance looks at next
	watched int
}

// watch has the wheel look at s at the given time, or earlier: at latest after a turn.
func (w *wheel) watch(s *socket, at time.Time, now time.Time) {
	if w.watched == 0 {
		w.next = now.Unix()
	}
	second := at.Unix() + 1 // never too early
	second = max(min(second, w.next+int64(len(w.slots))-1), w.next)
	slot := &w.slots[second%int64(len(w.slots))]
	*slot = append(*slot, s)
	w.watched++
}

// advance looks at all whose second is over. look returns the next deadline, zero for none.
func (w *wheel) advance(now time.Time, look func(*socket, time.Time) time.Time) {
	if w.watched == 0 {
		return
	}
	// After a long stop, or a jump of the clock, one turn has seen all.
	if behind := now.Unix() - w.next; behind >= int64(len(w.slots)) || behind < -int64(len(w.slots)) {
		w.next = now.Unix() - int64(len(w.slots)) + 1
	}
	for ; w.next <= now.Unix(); w.next++ {
		slot := &w.slots[w.next%int64(len(w.slots))]
		due := *slot
		if len(due) == 0 {
			continue
		}
		*slot = nil
		w.watched -= len(due)
		for _, s := range due {
			if at := look(s, now); !at.IsZero() {
				w.next++ // the slot at hand is being emptied
				w.watch(s, at, now)
				w.next--
			}
		}
	}
}

// timeout is how long it is until the next look; -1 if there is none.
func (w *wheel) timeout(now time.Time) time.Duration {
	if w.watched == 0 {
		return -1
	}
	for i := range int64(len(w.slots)) {
		if len(w.slots[(w.next+i)%int64(len(w.slots))]) > 0 {
			return max(0, time.Unix(w.next+i, 0).Sub(now)) + time.Millisecond
		}
	}
	return -1
}
