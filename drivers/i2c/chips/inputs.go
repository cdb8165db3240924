package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
)

// errBeyond is a voltage outside the range, which reads as the range's end.
var errBeyond = errors.New("the voltage is beyond the range")

// inputs is a converter that takes the user's channels one after the other: unit is what
// convert returns, unless the channel has one of its own.
type inputs struct {
	channels []drivers.ChannelConfig
	unit     string
	convert  func(ctx context.Context, options any) (float64, error)
}

// Poll implements chip.Device. A voltage beyond its range costs its channel and no other.
func (n inputs) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var rs []drivers.Reading
	var errs []error
	for _, c := range n.channels {
		v, err := n.convert(ctx, c.Options)
		switch {
		case errors.Is(err, errBeyond):
			errs = append(errs, chip.Fault(c.Name, err))
		case err != nil:
			return nil, err
		default:
			unit := c.Unit
			if unit == "" {
				unit = n.unit
			}
			rs = append(rs, drivers.Reading{Channel: c.Name, Unit: unit, Value: drivers.Number(v), Time: time.Now()})
		}
	}
	return rs, chip.JoinErrors(errs...)
}
