//go:build race

package broker

// The race detector keeps shadow memory: how much is resident then says nothing of us.
const raceDetector = true
