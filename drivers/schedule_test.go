package drivers

import (
	"testing"
	"time"
)

// Each step says when the question was over and how, and when the next is due; times are
// seconds after the start.
func TestSchedule(t *testing.T) {
	type step struct {
		over float64
		ok   bool
		due  float64
	}
	slow := Backoff{After: 3, First: 2 * time.Second, Longest: 10 * time.Second}
	for _, c := range []struct {
		name     string
		every    float64
		backoff  Backoff
		floating bool
		steps    []step
	}{
		{"a slow answer does not shift the interval", 1, slow, false, []step{{0.3, true, 1}, {1.9, true, 2}, {2.1, true, 3}}},
		{"what was missed is not made up for", 1, slow, false, []step{{3.5, true, 4}, {6.1, true, 7}}},
		{"a beat that is just reached is not missed", 1, slow, false, []step{{2, true, 2}}},
		{"the first answer sets the beat where several start together", 1, slow, true, []step{{0.4, true, 1.4}, {1.5, true, 2.4}}},
		{"two failures cost nothing", 1, slow, false, []step{{0.5, false, 1}, {1.5, false, 2}, {2.1, true, 3}}},
		{"from the third on the pauses double, up to the longest", 1, slow, false, []step{
			{0.5, false, 1}, {1.5, false, 2}, {2.5, false, 4.5}, {5, false, 9}, {9.5, false, 17.5}, {18, false, 28}, {28.5, false, 38.5}}},
		{"an answer ends the back-off", 1, slow, false, []step{
			{0, false, 1}, {1, false, 2}, {2, false, 4}, {4.2, true, 5}, {5, false, 6}, {6, false, 7}, {7, false, 9}}},
		{"from the first failure on", 1, Backoff{After: 1, First: 2 * time.Second, Longest: 4 * time.Second}, false, []step{
			{0.5, false, 2.5}, {2.5, false, 6.5}, {6.5, false, 10.5}}},
		{"a pause is never shorter than the interval", 30, slow, false, []step{{0, false, 30}, {30, false, 60}, {61, false, 91}}},
		{"without a back-off the interval is kept", 1, Backoff{}, false, []step{{0, false, 1}, {1, false, 2}, {2, false, 3}, {3, false, 4}}},
		{"no interval does not spin", 0, Backoff{}, false, []step{{0, true, 0.001}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Unix(1e9, 0)
			at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * 1e9)) }
			s := Schedule{Every: time.Duration(c.every * 1e9), Backoff: c.backoff}
			if c.floating {
				s.StartNow(start)
			} else {
				s.StartAt(start)
			}
			if !s.Due().Equal(start) {
				t.Errorf("the first is due %v after the start, want at once", s.Due().Sub(start))
			}
			for i, step := range c.steps {
				if step.ok {
					s.Answered(at(step.over))
				} else {
					s.Failed(at(step.over))
				}
				if got := s.Due().Sub(start).Seconds(); got < step.due-1e-6 || got > step.due+1e-6 {
					t.Errorf("step %d, over at %v s: next due at %v s, want %v s", i, step.over, got, step.due)
				}
			}
		})
	}
}

func TestScheduleIsHastenedAndPostponed(t *testing.T) {
	start := time.Unix(1e9, 0)
	s := Schedule{Every: time.Minute}
	s.StartAt(start)
	s.Answered(start)
	s.Hasten(start.Add(10 * time.Second)) // it was written and is read soon
	if got := s.Due().Sub(start); got != 10*time.Second {
		t.Errorf("due %v after the start, want 10s", got)
	}
	s.Hasten(start.Add(20 * time.Second))
	if got := s.Due().Sub(start); got != 10*time.Second {
		t.Errorf("hastened to a later time: due %v after the start, want 10s", got)
	}
	s.Postpone(start.Add(time.Hour))
	s.Answered(start.Add(time.Hour + time.Second))
	if got := s.Due().Sub(start); got != time.Hour+time.Minute {
		t.Errorf("after it was postponed by an hour: due %v after the start, want 1h1m", got)
	}
}

// Whatever happens, the next question is in the future, and never further away than the
// longest pause.
func TestBackoffIsBounded(t *testing.T) {
	b := Backoff{After: 1, First: time.Second, Longest: time.Minute}
	for range 1000 {
		if pause := b.Failed(); pause < time.Second || pause > time.Minute {
			t.Fatalf("after %d failures the pause is %v", b.fails, pause)
		}
	}
	b.Reset()
	if b.Active() || b.Failed() != time.Second {
		t.Error("after an answer the pauses do not begin anew")
	}
}
