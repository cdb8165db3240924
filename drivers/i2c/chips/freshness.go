package chips

import (
	"fmt"
	"time"

	"sensorgate/drivers"
)

// fresh allows a chip that measures on its own time to have something new: no value is
// no error until it has been silent for too long.
type fresh struct {
	last  time.Time
	limit time.Duration
}

func (f *fresh) none() error {
	if time.Since(f.last) > f.limit {
		return fmt.Errorf("%w: nothing new for %v (did it lose its supply?)", drivers.ErrNoAnswer, f.limit)
	}
	return nil
}
