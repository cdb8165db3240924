package sim

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// journalLog hears what the journal says of damage, and of a full disk.
type journalLog struct {
	slog.Handler
	w *world
}

func (l journalLog) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.Handler.Enabled(ctx, level)
}

func (l journalLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalLog{l.Handler.WithAttrs(attrs), l.w}
}

func (l journalLog) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "journal was damaged":
		l.w.damaged(&r)
	case "journal found damage":
		l.w.foundDamage(&r)
	case "journal is full":
		l.w.full.begins(time.Now())
	case "queue drops records; further drops are counted, not logged":
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "queue" {
				l.w.led.hasDropped(a.Value.String())
			}
			return true
		})
	case "journal has room again":
		l.w.full.ends(time.Now())
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// damaged notes what a start of the gateway has reported as lost.
func (w *world) damaged(r *slog.Record) {
	w.led.damaged()
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "lost":
			w.lost += a.Value.Uint64()
		case a.Key == "at_least" && a.Value.Bool():
			w.led.atLeast()
		}
		return true
	})
	if !w.harmed {
		w.led.fault("damage is reported, and nothing was damaged: %v", r.Message)
	}
}

// foundDamage notes what a run has found damaged, once for all queues that a record waits in. Their counters have it.
func (w *world) foundDamage(r *slog.Record) {
	what := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "from" || a.Key == "entry" || a.Key == "file" {
			what = a.String()
		}
		return true
	})
	w.mu.Lock()
	known := w.found[what]
	if w.found == nil {
		w.found = map[string]bool{}
	}
	w.found[what] = true
	harmed := w.harmed
	w.mu.Unlock()
	if !known {
		w.led.damaged()
	}
	if !harmed {
		w.led.fault("damage is found, and nothing was damaged: %v", what)
	}
}

// fullness knows for how long the journal has been full. What nobody has an answer for is in memory then (docs/journal-format.md,
// "When it is full"), and gone with the power.
type fullness struct {
	mu       sync.Mutex
	from, to time.Time
}

// again is how soon a journal that has room may be full again before it has written what waited.
const again = 2 * time.Second

// forget begins another run: nothing waits in memory.
func (f *fullness) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from, f.to = time.Time{}, time.Time{}
}

func (f *fullness) begins(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from.IsZero() || !f.to.IsZero() && now.Sub(f.to) > again {
		f.from = now
	}
	f.to = time.Time{}
}

func (f *fullness) ends(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = now
}

// since returns for how long what waits in memory may have waited.
func (f *fullness) since(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from.IsZero() || !f.to.IsZero() && now.Sub(f.to) > again {
		return 0
	}
	return now.Sub(f.from)
}
