package chips

import (
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// errReset means that the chip has lost what we set: its supply dipped, or somebody
// else reset it. What it reads now is not what was asked for.
var errReset = errors.New("the chip was reset since it was set up (its supply?)")

// errNoData means that a conversion was not finished in the time it may take.
var errNoData = fmt.Errorf("%w: the measurement was not finished in time", drivers.ErrNoAnswer)

// wrongChip names what is at the address instead of the chip that was asked for.
func wrongChip(want string, id uint32, known map[uint32]string) error {
	if name, ok := known[id]; ok {
		return fmt.Errorf("this is a %s (id 0x%02x), not a %s (try: driver = %q)", name, id, want, name)
	}
	return fmt.Errorf("id 0x%02x is not that of a %s (another chip at this address? try: sensorgate scan i2c)", id, want)
}

// errNoCalibration means that the factory coefficients read as nothing.
var errNoCalibration = errors.New("its calibration is empty (a counterfeit, or the bus reads only zeros or ones)")

// isRefusal tells an order that was not obeyed from a chip that failed.
func isRefusal(err error) bool {
	return errors.Is(err, drivers.ErrRefused) || errors.Is(err, drivers.ErrNoCommands)
}
