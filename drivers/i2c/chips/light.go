package chips

import (
	"errors"

	"sensorgate/drivers"
)

var errTooBright = errors.New("brighter than it can measure")

func light(most float64, more ...drivers.Channel) []drivers.Channel {
	return append([]drivers.Channel{{Name: "illuminance", Unit: "lx", Min: 0, Max: most}}, more...)
}
