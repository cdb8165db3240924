package bridge

import (
	"encoding/json"
	"sync"
	"time"

	"sensorgate/internal/journal"
)

// Store keeps small values over a restart; a *journal.Journal is one.
type Store interface {
	Put(key string, value []byte, class journal.CommitClass, w journal.Waiter, token uint64)
	Get(key string) ([]byte, bool)
}

// gaps counts what was lost on the way up until the upstream has a report of it.
type gaps struct {
	store Store // nil: only in memory
	key   string

	mu        sync.Mutex
	total     uint64
	pending   gap
	reporting gap // on its way; counted here until acknowledged
	changed   bool
	saved     time.Time
	records   uint64    // acknowledged
	lastAck   time.Time // when the last of these was
}

// gapSave bounds how often the count is written: a million expired messages must not be
// a million writes.
const gapSave = time.Second

// gap is the record that the upstream gets instead of the messages.
type gap struct {
	Bridge string            `json:"bridge"`
	Lost   uint64            `json:"lost"`
	Total  uint64            `json:"total"` // since ever, this record included: a record that is missed or doubled does no harm
	Why    map[string]uint64 `json:"why"`
	Before time.Time         `json:"before,omitzero"` // the time of a message behind the gap
}

// Reasons of a gap.
const (
	lostSpool    = "spool"     // full or too old
	lostExpired  = "expired"   // older than the rule or its own expiry allows
	lostRefused  = "refused"   // the upstream does not take this message
	lostTooLarge = "too large" // for the upstream
	lostDamaged  = "damaged"   // the record is not a message
)

func newGaps(store Store, bridge string) *gaps {
	g := &gaps{store: store, key: "bridge/" + bridge + "/gap"}
	g.pending = gap{Bridge: bridge}
	if store != nil {
		if value, ok := store.Get(g.key); ok {
			// Not readable is like not there: it is a count, nothing depends on it.
			_ = json.Unmarshal(value, &g.pending)
			g.total = g.pending.Total
		}
	}
	return g
}

// lose counts n messages before a time as lost.
func (g *gaps) lose(n uint64, why string, before time.Time) {
	if n == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending.add(gap{Lost: n, Total: g.total + n, Why: map[string]uint64{why: n}, Before: before})
	g.total = g.pending.Total
	g.changed = true
}

func (g *gap) add(more gap) {
	g.Lost += more.Lost
	g.Total = max(g.Total, more.Total)
	if g.Why == nil {
		g.Why = make(map[string]uint64)
	}
	for why, n := range more.Why {
		g.Why[why] += n
	}
	if g.Before.Before(more.Before) {
		g.Before = more.Before
	}
}

// report returns the record to send, or nil if there is nothing to report or it is being reported.
func (g *gaps) report() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending.Lost == 0 || g.reporting.Lost != 0 {
		return nil
	}
	record, err := json.Marshal(g.pending)
	if err != nil {
		return nil
	}
	g.reporting = g.pending
	g.pending = gap{Bridge: g.reporting.Bridge}
	return record
}

// reported: the upstream has it.
func (g *gaps) reported() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reporting = gap{}
	g.changed = true
	g.records++
	g.lastAck = time.Now()
}

// state is how much was lost, and how much of that is in no record that arrived.
func (g *gaps) state() Gaps {
	g.mu.Lock()
	defer g.mu.Unlock()
	unreported := gap{}
	unreported.add(g.pending)
	unreported.add(g.reporting)
	return Gaps{Total: g.total, Unreported: unreported.Lost, Why: unreported.Why, Records: g.records, LastReported: g.lastAck}
}

// notReported: the connection broke before the upstream said so.
func (g *gaps) notReported() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending.add(g.reporting)
	g.reporting = gap{}
}

// save writes the count if it changed, at most every gapSave.
func (g *gaps) save(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.store == nil || !g.changed || now.Sub(g.saved) < gapSave {
		return
	}
	all := gap{Bridge: g.pending.Bridge, Total: g.total}
	all.add(g.pending)
	all.add(g.reporting)
	value, err := json.Marshal(all)
	if err != nil {
		return // no value of a gap can fail to be JSON
	}
	g.store.Put(g.key, value, journal.Telemetry, nil, 0)
	g.changed, g.saved = false, now
}
