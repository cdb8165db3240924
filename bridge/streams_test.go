package bridge

import (
	"testing"
	"time"

	"sensorgate/internal/journal"
)

// The very first connection of a new gateway: nothing has been appended yet, and what
// comes is live.
func TestStreamsOfAnEmptySpool(t *testing.T) {
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := j.OpenQueue("q", journal.Limits{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	var s streams
	s.begin(q, Rate{Messages: 1}, time.Now(), nil)
	j.Append(journal.Record{Data: []byte("x"), To: []*journal.Queue{q}})
	if !s.backlog.empty() || !s.backlog.drained() {
		t.Error("a message that came after the connection is in the backlog stream")
	}
	if _, ok, _ := s.live.peek(); !ok {
		t.Error("a message that came after the connection is not in the live stream")
	}
}

func TestBucketKeepsTheRate(t *testing.T) {
	now := time.Now()
	for _, rate := range []Rate{{Messages: 50}, {Bytes: 5000}, {Messages: 1}, {Messages: 0.1}, {Messages: 50, Bytes: 1000}} {
		b := newBucket(rate, now)
		sent, at := 0, now
		for end := now.Add(100 * time.Second); at.Before(end); {
			if wait := b.wait(at); wait > 0 {
				at = at.Add(wait)
				continue
			}
			b.spend(100)
			sent++
		}
		perSecond := rate.Messages
		if byBytes := rate.Bytes / 100; rate.Bytes > 0 && (perSecond == 0 || byBytes < perSecond) {
			perSecond = byBytes
		}
		most := perSecond*100 + max(1, perSecond) + 1 // and the burst
		if got := float64(sent); got > most || got < perSecond*98 {
			t.Errorf("%+v: %d messages in 100 s", rate, sent)
		}
	}
	if b := newBucket(Rate{}, now); b.wait(now) != 0 {
		t.Error("no rate is no wait")
	}
}

// The time of a late message is written as time.Time.Format writes it, whatever was written
// before.
func TestLateTimesAreWrittenAsFormatDoes(t *testing.T) {
	var s stamper
	start := time.Date(2026, 11, 30, 23, 59, 59, 999_999_000, time.FixedZone("", 3600))
	for _, after := range []time.Duration{0, 1, 999, 1000, time.Millisecond, time.Second, time.Hour, -time.Hour, -2_000_000 * time.Hour, 1} {
		at := start.Add(after)
		if got, want := string(s.append([]byte("x"), at)), "x"+at.UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
