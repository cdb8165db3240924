package gpio

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
)

// LineOptions choose a line. They are part of every driver's options here.
type LineOptions struct {
	GPIO Ref  `toml:"gpio" required:"true" example:"\"GPIO17\"" doc:"The line, by its name (GPIO17), by chip:offset (gpiochip0:17) or by the pin of the header (P1_11)."`
	Pull Pull `toml:"pull" example:"\"up\"" doc:"The resistor inside the chip: up, down or none; default: what the board has set up."`
}

// Claims: the line is ours.
func (o *LineOptions) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "gpio", ID: string(o.GPIO), Key: "gpio"}}
}

const (
	// verifyEvery is how often a quiet line is looked at: a chip that was removed wakes
	// nobody on kernels before 6.6, and an interrupt controller can merge two edges.
	verifyEvery = 10 * time.Second

	// eventBuffer is what the kernel keeps per line while we are not scheduled: a second
	// at 1 kHz. It is 48 KB of kernel memory.
	eventBuffer = 1024
)

// edges reads a line's events and knows how many are missing.
type edges struct {
	line Line
	seq  uint32 // of the newest event seen
	buf  [64]Event
}

// next waits for events until the given time. lost is how many edges the kernel
// numbered but did not keep. The slice is valid until the next call.
func (e *edges) next(ctx context.Context, until time.Time) (evs []Event, lost uint32, err error) {
	n, err := e.line.Wait(ctx, until, e.buf[:])
	if err != nil || n == 0 {
		return nil, 0, err
	}
	newest := e.buf[n-1].Seq
	lost = newest - e.seq - uint32(n) // the counter may wrap
	e.seq = newest
	return e.buf[:n], lost, nil
}

func lostError(lost uint32) error {
	return fmt.Errorf("%d edges were lost: they came faster than they could be read", lost)
}

// earliest returns the first of the times that are not zero.
func earliest(ts ...time.Time) time.Time {
	var first time.Time
	for _, t := range ts {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// wait waits until the given time or for wake; false means that ctx ended.
func wait(ctx context.Context, until time.Time, wake <-chan struct{}) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-wake:
	}
	return true
}
