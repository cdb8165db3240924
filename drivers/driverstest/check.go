package driverstest

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
)

// Want is a reading that has to come.
type Want struct {
	Channel string
	Value   float64 // a boolean as 0 and 1
	Within  float64 // how far off it may be
}

// Poll asks p once, with a deadline that a healthy device keeps.
func Poll(ctx context.Context, p drivers.Poller) ([]drivers.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return p.Poll(ctx)
}

// Check compares readings with what has to come; err is what came with them.
func Check(t testing.TB, when string, rs []drivers.Reading, err error, want []Want) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	if len(rs) != len(want) {
		t.Errorf("%s: %d readings %v, want %d", when, len(rs), rs, len(want))
	}
	for _, w := range want {
		if got, ok := find(rs, w.Channel); !ok {
			t.Errorf("%s: no reading of %s in %v", when, w.Channel, rs)
		} else if !(math.Abs(got-w.Value) <= w.Within) {
			t.Errorf("%s: %s is %v, want %v ± %v", when, w.Channel, got, w.Value, w.Within)
		}
	}
}

// NeverWrong lets an error pass, but no reading that is not wanted: the promise that a
// wrong number is never published.
func NeverWrong(t testing.TB, when string, rs []drivers.Reading, want []Want) {
	t.Helper()
	for _, r := range rs {
		got, _ := find(rs, r.Channel)
		ok := false
		for _, w := range want {
			ok = ok || w.Channel == r.Channel && math.Abs(got-w.Value) <= w.Within
		}
		if !ok {
			t.Errorf("%s: published %s = %v %s, which is wrong (right: %v)", when, r.Channel, r.Value, r.Unit, want)
		}
	}
}

// WantError checks that there is an error, with these words in it, and no readings.
func WantError(t testing.TB, when string, rs []drivers.Reading, err error, words ...string) {
	t.Helper()
	if len(rs) > 0 {
		t.Errorf("%s: published %v, want an error", when, rs)
	}
	if err == nil {
		t.Errorf("%s: no error", when)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", when, err, w)
		}
	}
}

// Close closes a device that can be closed.
func Close(t testing.TB, dev any) {
	if c, ok := dev.(io.Closer); ok {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func find(rs []drivers.Reading, channel string) (float64, bool) {
	for _, r := range rs {
		if r.Channel != channel {
			continue
		}
		if b, ok := r.Value.Bool(); ok {
			if b {
				return 1, true
			}
			return 0, true
		}
		return r.Value.Number()
	}
	return math.NaN(), false
}

// Store is a drivers.Store in memory.
type Store map[string][]byte

// Load implements drivers.Store.
func (s Store) Load(key string) ([]byte, bool) {
	v, ok := s[key]
	return v, ok
}

// Save implements drivers.Store.
func (s Store) Save(key string, value []byte) { s[key] = append([]byte(nil), value...) }
