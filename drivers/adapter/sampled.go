package adapter

import (
	"context"
	"time"

	"sensorgate/drivers"
)

// longestPause is how long a sampled chip that fails is left alone.
const longestPause = time.Minute

// sampled asks its chip at the chip's own rate and reports at the device's.
type sampled struct {
	*adapter
	sample, every time.Duration
}

// Watch implements drivers.Watcher. A chip that fails is asked less and less often, so
// that it costs its neighbours on the bus little.
func (s sampled) Watch(ctx context.Context, report drivers.Report) error {
	schedule := drivers.Schedule{Every: s.sample, Backoff: drivers.Backoff{After: 1, First: 2 * s.sample, Longest: longestPause}}
	schedule.StartAt(time.Now())
	var due time.Time
	for {
		if !drivers.Sleep(ctx, time.Until(schedule.Due())) {
			return ctx.Err()
		}
		rs, err := s.Poll(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			report(drivers.Reading{}, err)
		}
		if len(rs) > 0 && !time.Now().Before(due) {
			for _, r := range rs {
				report(r, nil)
			}
			due = time.Now().Add(s.every - s.sample/2)
		}
		if err != nil && len(rs) == 0 {
			schedule.Failed(time.Now())
		} else { // when only some channels failed, the chip is there
			schedule.Answered(time.Now())
		}
	}
}
