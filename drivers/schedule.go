package drivers

import "time"

// Backoff is the growing pause between attempts at something that fails: a device that
// answers nobody costs its neighbours on the wire little. The zero Backoff never pauses.
type Backoff struct {
	After   int           // failures in a row before the first pause; 1: from the first failure on
	First   time.Duration // the first pause, twice as long after each failure that follows
	Longest time.Duration // pauses grow up to this

	fails int
}

// Failed counts a failure and returns how long to pause, 0 for not at all.
func (b *Backoff) Failed() time.Duration {
	b.fails++
	if !b.Active() {
		return 0
	}
	pause := b.First
	for i := b.After; i < b.fails && pause < b.Longest; i++ {
		pause *= 2
	}
	return min(pause, b.Longest)
}

// Active reports whether there were so many failures in a row that there are pauses.
func (b *Backoff) Active() bool { return b.After > 0 && b.fails >= b.After }

// Reset ends the row of failures.
func (b *Backoff) Reset() { b.fails = 0 }

// Schedule says when something is asked next that is asked at an interval. The interval
// is kept, not shifted, by a slow answer, and what was missed is not made up for. While
// it fails, Backoff may make the pauses longer. It has no clock: times are passed in. A
// Schedule belongs to one goroutine.
type Schedule struct {
	Every time.Duration // at least minEvery; less counts as minEvery
	Backoff

	due      time.Time
	floating bool // the first answer sets the beat
}

// minEvery keeps a schedule without an interval from spinning.
const minEvery = time.Millisecond

// StartAt makes the first question due at the given time, and those after it at whole
// intervals from there.
func (s *Schedule) StartAt(at time.Time) { s.due, s.floating = at, false }

// StartNow makes the first question due at once, and those after it at whole intervals
// from its answer: where several have to wait for each other at first, they would have
// to each time if all kept the same beat.
func (s *Schedule) StartNow(now time.Time) { s.due, s.floating = now, true }

// Due returns when to ask next.
func (s *Schedule) Due() time.Time { return s.due }

// Hasten makes the next question due at now, unless it is due earlier.
func (s *Schedule) Hasten(now time.Time) {
	if now.Before(s.due) {
		s.due = now
	}
}

// Postpone makes the next question due at the given time, and those after it at whole
// intervals from there.
func (s *Schedule) Postpone(until time.Time) { s.due = until }

// Answered plans the next question after one that was answered by now.
func (s *Schedule) Answered(now time.Time) {
	s.Reset()
	s.Keep(now)
}

// Failed plans the next question after one that failed by now.
func (s *Schedule) Failed(now time.Time) {
	if pause := s.Backoff.Failed(); pause > 0 {
		s.due = now.Add(max(pause, s.interval()))
		return
	}
	s.Keep(now)
}

// Keep plans the next question at the interval, whatever became of this one.
func (s *Schedule) Keep(now time.Time) {
	every := s.interval()
	if s.floating {
		s.floating, s.due = false, now
	}
	s.due = s.due.Add(every)
	if late := now.Sub(s.due); late > 0 {
		s.due = s.due.Add((late + every - 1).Truncate(every)) // the first beat not before now
	}
}

func (s *Schedule) interval() time.Duration { return max(s.Every, minEvery) }
