package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
)

func distanceChannels(most float64) []drivers.Channel {
	return []drivers.Channel{{Name: "distance", Unit: "m", Min: 0, Max: most}, {Name: "target", Kind: drivers.State, Values: drivers.Booleans()}}
}

// ranger measures a distance, and whether there is anything at all within range.
type ranger struct {
	measure func(context.Context) (metres float64, target bool, err error)
}

func (r ranger) Poll(ctx context.Context) ([]drivers.Reading, error) {
	metres, target, err := r.measure(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rs := []drivers.Reading{{Channel: "target", Value: drivers.Bool(target), Time: now}}
	if target {
		rs = append(rs, drivers.Reading{Channel: "distance", Unit: "m", Value: drivers.Number(metres), Time: now})
	}
	return rs, nil
}
