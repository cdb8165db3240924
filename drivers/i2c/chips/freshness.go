package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
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

// readyLimit is how long a chip that measures at least once a second may have nothing new.
const readyLimit = 5 * time.Second

// fresher is a fresh that begins now.
func fresher() *fresh { return &fresh{last: time.Now(), limit: readyLimit} }

// has reports whether bits of a register say that there is something that was not read; an
// error if that was so for too long.
func (f *fresh) has(ctx context.Context, d *bus.Dev, reg, bits byte) (bool, error) {
	got, err := d.U8(ctx, reg)
	switch {
	case err != nil:
		return false, err
	case got&bits != bits:
		return false, f.none()
	}
	f.last = time.Now()
	return true, nil
}

// cleanTime is how long the fan of a sensor of dust runs at full speed; there are no new
// values meanwhile. SPS30 and SEN5x data sheets, "Start Fan Cleaning".
const cleanTime = 10 * time.Second

// cleaning has a sensor of dust clean its fan, which it does only while it measures.
func (f *fresh) cleaning(d *bus.Dev) adapter.Action {
	return adapter.On(func(ctx context.Context) error {
		if err := sensirionCommand(ctx, d, 0x5607); err != nil {
			return err
		}
		f.last = time.Now().Add(cleanTime)
		return nil
	})
}
