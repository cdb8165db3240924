package history

import "time"

// clock gives values their times. A board without a battery starts in the past: until
// its clock is set, times are counted on the monotonic clock from the start, and all of
// them are moved when it is.
type clock struct {
	begin time.Time // of the start; its monotonic part counts
	wall  time.Time // what the wall clock said then
	set   bool
	run   uint32 // tells this run's frames from others'
}

func (c *clock) start(now time.Time, set bool) {
	c.begin, c.wall, c.set = now, now.Round(0), set
	c.run = uint32(now.UnixNano()>>16) | 1
}

// stamp returns the time of a value in milliseconds since 1970. A time without a
// monotonic part is somebody else's, a meter's: it is taken as it is.
func (c *clock) stamp(t time.Time) int64 {
	if c.set || t == t.Round(0) {
		return t.UnixMilli()
	}
	return c.wall.Add(t.Sub(c.begin)).UnixMilli()
}

// step is how far the wall clock moved since the start.
func (c *clock) step(now time.Time) time.Duration {
	return now.Round(0).Sub(c.wall.Add(now.Sub(c.begin)))
}

// lookAtClock moves what was stamped before the clock was set, once it is.
func (s *Store) lookAtClock(now time.Time) {
	s.mu.Lock()
	if s.clock.set || !s.o.Synced() {
		s.mu.Unlock()
		return
	}
	s.clock.set = true
	step := s.clock.step(now).Milliseconds()
	s.open.shift(step)
	s.mu.Unlock()

	err := s.disk.shift(s.clock.run, step)
	s.log.Info("the clock is set; the history of this run moves with it", "by", time.Duration(step)*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report(err)
}
