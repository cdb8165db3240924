package gateway

import (
	"context"
	"log/slog"
	"time"

	"sensorgate/drivers"
)

const (
	firstRestart   = time.Second
	longestRestart = time.Minute
)

// optional is a part that the gateway can do without: the page, the history. If it fails
// or panics that is reported, and it starts again with growing pauses.
func optional(name string, log *slog.Logger, run func(context.Context) error) part {
	return part{name, func(ctx context.Context) error {
		pause := firstRestart
		for {
			began := time.Now()
			err := drivers.Guard(func() error { return run(ctx) })
			if ctx.Err() != nil {
				return nil
			}
			if time.Since(began) > longestRestart {
				pause = firstRestart
			}
			log.Error("a part failed; the gateway goes on without it and starts it again", "part", name, "in", pause, "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, longestRestart)
		}
	}}
}
