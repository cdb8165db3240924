package confd

import (
	"context"
	"errors"
	"time"
)

// waiting is a save that is undone unless it is confirmed.
type waiting struct {
	record *record
	live   Live
	since  time.Time
	until  time.Time
}

// Wait is a save that waits for its confirmation.
type Wait struct {
	Version int       `json:"version"`
	File    string    `json:"file"`
	User    string    `json:"user,omitempty"`
	Until   time.Time `json:"until"`
}

// Waiting returns the save that waits; nil if none does.
func (f *Folder) Waiting() *Wait {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waits == nil {
		return nil
	}
	w := f.waits
	return &Wait{w.record.ID, w.record.File, w.record.User, w.until}
}

// wait begins the time of a save.
func (f *Folder) wait(r *record, live Live) (until time.Time) {
	f.mu.Lock()
	now := time.Now()
	f.waits = &waiting{record: r, live: live, since: now, until: now.Add(ConfirmTime)}
	until = f.waits.until
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return until
}

// Confirm keeps the save that waits. connected is when the connection was made over which
// the confirmation came: one from before proves nothing.
func (f *Folder) Confirm(version int, connected time.Time) error {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.mu.Lock()
	w := f.waits
	f.mu.Unlock()
	switch {
	case w == nil || w.record.ID != version:
		return ErrNothing
	case !connected.After(w.since):
		return ErrOldWay
	}
	w.record.Kept = true
	if err := f.writeRecord(w.record); err != nil {
		w.record.Kept = false
		return err // it is undone in time
	}
	f.endWait()
	f.prune()
	f.log.Info("saved configuration confirmed", "file", w.record.File, "version", version)
	return nil
}

func (f *Folder) endWait() {
	f.mu.Lock()
	f.waits = nil
	f.mu.Unlock()
}

// Run undoes what nobody confirms in time, until ctx ends. What waits then is undone at
// the next start.
func (f *Folder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		}
		for w := f.Waiting(); w != nil; w = f.Waiting() {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Until(w.Until)):
				f.giveBack(w.Version)
			}
		}
	}
}

var errNotConfirmed = errors.New("it was not confirmed in time")

func (f *Folder) giveBack(version int) {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.mu.Lock()
	w := f.waits
	f.mu.Unlock()
	if w == nil || w.record.ID != version {
		return // confirmed at the last moment
	}
	f.endWait()
	err := f.undo(w.record, w.live, errNotConfirmed)
	f.log.Warn("a save of the configuration is undone", "file", w.record.File, "user", w.record.User, "err", err)
}
