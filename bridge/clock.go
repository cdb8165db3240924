package bridge

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"sensorgate/internal/journal"
)

// clock puts right what was stamped before the clock of this computer was set. A board
// without a clock battery starts in the past; its readings carry "time_synced": false.
// When the clock is set, the step is the difference between what the wall clock and the
// monotonic clock say has passed, and readings of this run that still wait in the spool
// are moved by it before they leave. Those of an earlier run keep their mark: how far
// off that clock was, nobody knows.
type clock struct {
	synced func() bool

	mu    sync.Mutex
	wall  time.Time // at the start, as the wrong clock had it
	mono  time.Time // the same moment
	next  time.Time // not to ask the kernel at every message
	first journal.Seq
	last  journal.Seq // the newest record that was stamped with the wrong clock
	step  time.Duration
	done  bool
}

// newClock starts at the moment that the two readings say. mono is a time.Time for its
// monotonic reading, wall one without it.
func newClock(synced func() bool, last journal.Seq, wall, mono time.Time) *clock {
	c := &clock{synced: synced, wall: wall, mono: mono, first: last}
	c.done = synced == nil || synced()
	return c
}

// look notices that the clock has been set. last is the newest record by now.
func (c *clock) look(last func() journal.Seq, wall, mono time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || mono.Before(c.next) {
		return
	}
	c.next = mono.Add(time.Second)
	if !c.synced() {
		return
	}
	c.done, c.last = true, last()
	c.step = wall.Sub(c.wall) - mono.Sub(c.mono)
}

var unsyncedMark = []byte(`"time_synced":false`)

// correct moves the time in a JSON payload that says it was stamped with a wrong clock,
// and takes the mark off. Anything else stays as it is.
func (c *clock) correct(seq journal.Seq, payload []byte) []byte {
	c.mu.Lock()
	step, mine := c.step, c.done && seq > c.first && seq <= c.last
	c.mu.Unlock()
	if !mine || !bytes.Contains(payload, unsyncedMark) {
		return payload
	}
	corrected, ok := moveTime(payload, step)
	if !ok {
		return payload
	}
	return corrected
}

// moveTime moves the member "time" of a JSON object and removes "time_synced", leaving
// the order and the spelling of everything else alone.
func moveTime(payload []byte, step time.Duration) ([]byte, bool) {
	var o struct {
		Time time.Time `json:"time"`
	}
	if json.Unmarshal(payload, &o) != nil || o.Time.IsZero() {
		return nil, false
	}
	const key = `"time":"`
	at := bytes.Index(payload, []byte(key))
	if at < 0 {
		return nil, false
	}
	end := bytes.IndexByte(payload[at+len(key):], '"')
	if end < 0 {
		return nil, false
	}
	moved := append([]byte(nil), payload[:at+len(key)]...)
	moved = o.Time.Add(step).AppendFormat(moved, "2006-01-02T15:04:05.000Z07:00")
	moved = append(moved, payload[at+len(key)+end:]...)
	for _, mark := range []string{`,"time_synced":false`, `"time_synced":false,`, `"time_synced":false`} {
		if i := bytes.Index(moved, []byte(mark)); i >= 0 {
			return append(moved[:i], moved[i+len(mark):]...), true
		}
	}
	return moved, true
}
