package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// longestPause is how long a sampled chip that fails is left alone.
const longestPause = time.Minute

// sampling asks its chip at the chip's own rate and reports at the device's.
type sampling struct {
	*adapter
	sample, every time.Duration
}

// Watch implements drivers.Watcher. A chip that fails is asked less and less often, so
// that it costs its neighbours on the bus little.
func (s sampling) Watch(ctx context.Context, report drivers.Report) error {
	var due time.Time
	pause := s.sample
	for next := time.Now(); ; next = next.Add(pause) {
		if err := bus.Sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		rs, err := s.Poll(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			report(drivers.Reading{}, err)
			pause = min(2*pause, longestPause)
			next = time.Now()
			continue
		case len(rs) > 0 && !time.Now().Before(due):
			for _, r := range rs {
				report(r, nil)
			}
			due = time.Now().Add(s.every - s.sample/2)
		}
		pause = s.sample
		if late := time.Since(next); late > s.sample { // a slow bus must not be caught up with
			next = next.Add(late.Truncate(s.sample))
		}
	}
}
