package gpiotest_test

import (
	"testing"

	"sensorgate/drivers/gpio/gpiotest"
)

// The fake passes the conformance suite that the real kernel passes on the virtual board.
func TestBoardKeepsTheKernelsRules(t *testing.T) {
	gpiotest.Conformance(t, func(t *testing.T) gpiotest.Wire {
		b := gpiotest.New("")
		b.AddChip("gpiochip0", "fake", "A", "B")
		b.Drive("B", false)
		return gpiotest.Wire{
			Kernel: b, Chip: "gpiochip0", Offset: 1,
			Drive:   func(high bool) { b.Drive("B", high) },
			Settle:  func() {}, // an edge is taken before Drive returns
			Float:   func() { b.Float("B") },
			Level:   func() bool { return b.Level("B") },
			Remove:  func() { b.RemoveChip("gpiochip0") },
			Restore: func() string { b.AddChip("gpiochip0", "fake", "A", "B"); return "gpiochip0" },
		}
	})
}
