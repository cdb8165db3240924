package drivers

import (
	"testing"
	"time"
)

// A value of another device is used while it is fresh, from the first time it was asked for.
func TestLatestKeepsWhatIsAskedFor(t *testing.T) {
	var l Latest
	put := func(v float64, age time.Duration) {
		l.Put("attic", Reading{Channel: "humidity", Unit: "%", Value: Number(v), Time: time.Now().Add(-age)})
	}
	put(40, 0)
	if _, ok := l.Get("attic/humidity", time.Minute); ok {
		t.Error("a reading from before anybody asked is there")
	}
	put(41, 0)
	if r, ok := l.Get("attic/humidity", time.Minute); !ok || r.Value != Number(41) {
		t.Errorf("got %v, %v, want 41", r.Value, ok)
	}
	put(42, time.Hour)
	if _, ok := l.Get("attic/humidity", time.Minute); ok {
		t.Error("a reading of an hour ago is fresh")
	}
	if _, ok := (*Latest)(nil).Get("attic/humidity", time.Minute); ok {
		t.Error("nil has a value")
	}
}

func TestChannelName(t *testing.T) {
	for text, good := range map[string]bool{"attic/humidity": true, "attic": false, "/x": false, "a/": false, "a/b/c": false} {
		var c ChannelName
		if err := c.UnmarshalText([]byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
