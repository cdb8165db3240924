package chips

import (
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// The channels that many chips have. Ranges are those of the data sheets, a little
// wider where a sensor may truly be beyond.

func temperature(lo, hi float64) drivers.Channel {
	return drivers.Channel{Name: "temperature", Unit: "°C", Min: lo, Max: hi}
}

func humidity() drivers.Channel {
	return drivers.Channel{Name: "humidity", Unit: "%", Min: 0, Max: 100}
}

func pressure(lo, hi float64) drivers.Channel {
	return drivers.Channel{Name: "pressure", Unit: "Pa", Min: lo, Max: hi}
}

// oversampling gives Bosch's code for averaging n measurements.
func oversampling(n int) (byte, error) {
	for code, v := range []int{1, 2, 4, 8, 16} {
		if v == n {
			return byte(code + 1), nil
		}
	}
	return 0, &drivers.KeyError{Key: "oversampling", Problem: fmt.Sprintf("found %d", n), Expected: "1, 2, 4, 8 or 16"}
}

// joined is errors.Join, but nil stays what it is and one error stays itself.
func joined(errs ...error) error {
	var some []error
	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return errors.Join(some...)
}
