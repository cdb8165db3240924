//go:build race

package history

// raceEnabled: tests that only count on one goroutine do less of the same.
const raceEnabled = true
