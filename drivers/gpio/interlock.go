package gpio

import (
	"fmt"
	"sync"
	"time"

	"sensorgate/drivers"
)

// group is an interlock: of its outputs at most one is on. Its lock is taken before
// that of an output. A nil group is no interlock.
type group struct {
	name string

	mu     sync.Mutex
	holder *output   // the one that is on
	freed  time.Time // when the last one went off
	last   *output   // which one that was
}

// group returns the interlock called name.
func (c *Chips) group(name string) *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[name]
	if g == nil {
		g = &group{name: name}
		c.groups[name] = g
	}
	return g
}

// lock holds the whole group still; the caller runs what it returns.
func (g *group) lock() (unlock func()) {
	if g == nil {
		return func() {}
	}
	g.mu.Lock()
	return g.mu.Unlock
}

// admitLocked reports whether d may go on now, or how long to wait.
func (g *group) admitLocked(d *output, pause time.Duration, now time.Time) (wait time.Duration, err error) {
	switch {
	case g == nil:
		return 0, nil
	case g.holder != nil && g.holder != d:
		return 0, fmt.Errorf("%w: interlock %s: %s is on", drivers.ErrRefused, g.name, g.holder.device)
	case g.last == nil || g.last == d:
		return 0, nil
	}
	return max(0, g.freed.Add(pause).Sub(now)), nil
}

// movedLocked notes that d was switched.
func (g *group) movedLocked(d *output, on bool, now time.Time) {
	switch {
	case g == nil:
	case on:
		g.holder = d
	case g.holder == d:
		g.holder, g.last, g.freed = nil, d, now
	}
}

// leave takes d out, when it has taken its exit state, which is off.
func (g *group) leave(d *output) {
	defer g.lock()()
	if g != nil {
		g.movedLocked(d, false, time.Now())
	}
}
