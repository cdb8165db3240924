package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

// wrongClock is a wall clock that a test sets.
type wrongClock struct {
	mu  sync.Mutex
	off time.Duration
	set bool
}

func (c *wrongClock) step(d time.Duration) { c.mu.Lock(); c.off += d; c.mu.Unlock() }
func (c *wrongClock) sync(set bool)        { c.mu.Lock(); c.set = set; c.mu.Unlock() }

func (c *wrongClock) wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *wrongClock) synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set
}

// clockStore is a store whose runs follow each other at the test's will.
type clockStore struct {
	t     *testing.T
	opt   Options
	clock *wrongClock
	j     *Journal
	q     *Queue
	stop  func()
	n     int
}

func newClockStore(t *testing.T) *clockStore {
	c := &wrongClock{}
	s := &clockStore{t: t, clock: c, opt: Options{
		Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1))), SegmentSize: 64 << 10, Size: 8 << 20, FreeFloor: -1,
		Wall: c.wall, TimeSynced: c.synced,
	}}
	return s
}

func (s *clockStore) start() {
	s.j = reopen(s.t, s.opt)
	s.q = openQueue(s.t, s.j, "spool", Limits{Age: day})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.j.Run(ctx) }()
	s.stop = func() { cancel(); <-done }
}

func (s *clockStore) restart() { s.stop(); s.start() }

func (s *clockStore) append(n int) {
	for range n {
		s.j.Append(Record{Data: fmt.Append(nil, s.n), To: []*Queue{s.q}})
		s.n++
	}
	time.Sleep(10 * time.Second)
}

func (s *clockStore) kept(want int, when string) {
	s.t.Helper()
	time.Sleep(10 * time.Second)
	if st := s.q.Stats(); int(st.Waiting) != want || int(st.DroppedAge) != s.n-want {
		s.t.Errorf("%s: %d wait and %d were dropped for their age, want %d and %d", when, st.Waiting, st.DroppedAge, want, s.n-want)
	}
}

const day = 24 * time.Hour

// K19: a board that learns the time, or loses it for a moment, threw its whole spool away.
// Nothing goes for its age but what is old by the monotonic clock.
func TestClockStepsDropNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		before  time.Duration // off at the start
		set     bool          // the clock is set at the start
		steps   []time.Duration
		restart int // after so many steps; -1 never
	}{
		{"1970 to now", -56 * 365 * day, false, []time.Duration{56 * 365 * day}, -1},
		{"1970 to now, over a restart", -56 * 365 * day, false, []time.Duration{56 * 365 * day}, 0},
		{"1970 to now, then a restart", -56 * 365 * day, false, []time.Duration{56 * 365 * day}, 1},
		{"30 days back to now", -30 * day, false, []time.Duration{30 * day}, -1},
		{"30 days back to now, over a restart", -30 * day, false, []time.Duration{30 * day}, 0},
		{"30 days back to now, then a restart", -30 * day, false, []time.Duration{30 * day}, 1},
		{"20 years ahead for 2 s", 0, true, []time.Duration{20 * 365 * day, -20 * 365 * day}, -1},
		{"20 years ahead for 2 s with a restart in them", 0, true, []time.Duration{20 * 365 * day, -20 * 365 * day}, 1},
		{"20 years ahead for 2 s, then a restart", 0, true, []time.Duration{20 * 365 * day, -20 * 365 * day}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newClockStore(t)
				s.clock.step(tt.before)
				s.clock.sync(tt.set)
				s.start()
				s.append(50)
				for i, d := range tt.steps {
					if tt.restart == i {
						s.restart()
					}
					s.clock.step(d)
					s.clock.sync(true)
					time.Sleep(2 * time.Second)
				}
				if tt.restart == len(tt.steps) {
					s.restart()
				}
				s.append(50)
				s.kept(100, "after the steps")
				time.Sleep(3 * time.Hour)
				s.kept(100, "three hours later")
				time.Sleep(18 * time.Hour)
				s.kept(100, "18 hours after that")
				time.Sleep(5 * time.Hour)
				s.kept(0, "after 26 hours by the monotonic clock")
				if st := s.j.Stats(); tt.restart < 0 && st.ClockSteps != uint64(len(tt.steps)) {
					t.Errorf("%d steps reported, want %d", st.ClockSteps, len(tt.steps))
				}
				s.stop()
			})
		})
	}
}

// Where the clock is right, what waited over a restart is as old as its time stamp says.
func TestRightClockJudgesEarlierRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newClockStore(t)
		s.clock.sync(true)
		s.start()
		s.append(50)
		time.Sleep(23 * time.Hour)
		s.restart()
		s.kept(50, "after 23 hours")
		s.clock.sync(false)
		s.restart()
		time.Sleep(2 * time.Hour)
		if st := s.j.Stats(); st.AgeHeld != 50 {
			t.Errorf("%d records wait for the clock, want 50", st.AgeHeld)
		}
		s.kept(50, "while the clock is not set")
		s.clock.sync(true)
		time.Sleep(2 * time.Second)
		s.kept(0, "when it is set again")
		if st := s.j.Stats(); st.AgeHeld != 0 {
			t.Errorf("%d records wait for the clock, want none", st.AgeHeld)
		}
		s.stop()
	})
}

// A clock that was set, loses its time server and steps back is not trusted, also not in the second
// before anybody looks at it: a session whose end was stamped then expired at once.
func TestStepThatNobodyHasSeenYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newClockStore(t)
		s.clock.sync(true)
		s.start()
		time.Sleep(10 * time.Second)
		time.Sleep(300 * time.Millisecond) // the clock is looked at once a second
		s.clock.sync(false)
		s.clock.step(-30 * day)
		if stamp, ok := s.j.Stamp(time.Now()); ok {
			t.Errorf("the stamp %v, of the moment after a step, is said to be right", stamp)
		}
		s.j.Append(Record{Data: []byte("after the step"), To: []*Queue{s.q}, Class: Event})
		s.n++
		time.Sleep(100 * time.Millisecond)
		s.stop()
		s.clock.step(30 * day)
		s.clock.sync(true)
		s.start()
		time.Sleep(StartGrace)
		s.kept(1, "after a start with the right time")
		s.stop()
	})
}

// For an hour after a step nobody knows whether the clock is right now: nothing of an earlier run goes for its age. Then
// what its time stamp says counts again.
func TestAnHourAfterAStepTimeStampsCountAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newClockStore(t)
		s.clock.sync(true)
		s.start()
		s.append(50)
		s.restart()
		time.Sleep(time.Minute)
		s.clock.step(20 * 365 * day) // a bad time server, for longer than a moment
		time.Sleep(settleTime - time.Minute)
		s.kept(50, "an hour after a step, nearly")
		time.Sleep(2 * time.Minute)
		s.kept(0, "more than an hour after a step")
		s.stop()
	})
}

// A record that was stamped by a clock years ahead goes when it is old by the monotonic clock, not years later.
func TestRecordStampedYearsAheadGoesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newClockStore(t)
		s.clock.sync(true)
		s.start()
		s.clock.step(20 * 365 * day)
		s.append(50)
		s.clock.step(-20 * 365 * day)
		time.Sleep(20 * time.Hour)
		s.kept(50, "after 20 hours")
		time.Sleep(5 * time.Hour)
		s.kept(0, "after 25 hours")
		s.stop()
	})
}
