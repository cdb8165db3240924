// Package timing tells tests whether they may judge what takes how long, and whether the
// race detector slows them down.
package timing

import (
	"testing"
	"time"
)

// Judged skips a test that judges a wall-clock time where that says nothing of us: on an
// emulated processor (-short) and under the race detector. make times runs what calls it,
// one package after the other; a rule keeps that target's list complete.
func Judged(t testing.TB) {
	t.Helper()
	if testing.Short() || Race {
		t.Skip("times are judged on a processor of its own and without the race detector: make times")
	}
}

// Limit is how long something may take that must be soon and is not measured: d, and
// twenty times that on an emulated processor and under the race detector.
func Limit(d time.Duration) time.Duration {
	if testing.Short() || Race {
		return 20 * d
	}
	return d
}
