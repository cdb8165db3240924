//go:build race

package sim

// raceEnabled: a seed takes ten times as long.
const raceEnabled = true
