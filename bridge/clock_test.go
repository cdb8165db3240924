package bridge

import (
	"testing"
	"time"

	"sensorgate/internal/journal"
)

// A board that started in 1970 and was set 90 s later.
func TestClockThatIsSetLate(t *testing.T) {
	mono := time.Now()
	boot := time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC)
	real := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC) // when it is set
	synced := false
	c := newClock(func() bool { return synced }, 100, boot, mono)
	last := func() journal.Seq { return 200 }

	made := `{"value":21.4,"unit":"°C","time":"1970-01-01T00:01:10.500Z","time_synced":false}` // 60.5 s after the start
	if got := string(c.correct(150, []byte(made))); got != made {
		t.Errorf("before the clock is set nothing is known, and yet: %s", got)
	}
	c.look(last, boot.Add(50*time.Second), mono.Add(50*time.Second))
	synced = true
	c.look(last, real, mono.Add(90*time.Second))

	const want = `{"value":21.4,"unit":"°C","time":"2026-11-23T02:59:30.500Z"}`
	for _, tt := range []struct {
		seq       journal.Seq
		made, was string
	}{
		{150, made, want},
		{100, made, made}, // of an earlier run: its clock is not known
		{201, made, made}, // appended after the clock was set
		{150, `{"value":1,"time":"1970-01-01T00:01:10.500Z"}`, `{"value":1,"time":"1970-01-01T00:01:10.500Z"}`},
		{150, `"time_synced":false`, `"time_synced":false`},
		{150, `{"time_synced":false,"time":"soon"}`, `{"time_synced":false,"time":"soon"}`},
		{150, `{"time_synced":false,"time":"1970-01-01T00:00:10Z"}`, `{"time":"2026-11-23T02:58:30.000Z"}`},
	} {
		if got := string(c.correct(tt.seq, []byte(tt.made))); got != tt.was {
			t.Errorf("record %d: %s became %s, want %s", tt.seq, tt.made, got, tt.was)
		}
	}
}

func FuzzMoveTime(f *testing.F) {
	f.Add([]byte(`{"time":"1970-01-01T00:00:10Z","time_synced":false}`))
	f.Add([]byte(`{"time":"1970-01-01T00:00:10Z","x":{"time_synced":false}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		moveTime(b, time.Hour) // whatever comes from a device's template: no panic
	})
}
