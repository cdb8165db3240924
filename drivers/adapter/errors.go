package adapter

import (
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// Errors that many chips have.
var (
	// ErrReset means that the chip has lost what was set: its supply dipped, or somebody
	// else reset it. What it reads now is not what was asked for.
	ErrReset = errors.New("the chip was reset since it was set up (its supply?)")
	// ErrNoData means that a conversion was not finished in the time it may take.
	ErrNoData = fmt.Errorf("%w: the measurement was not finished in time", drivers.ErrNoAnswer)
	// ErrNoCalibration means that the factory coefficients read as nothing.
	ErrNoCalibration = errors.New("its calibration is empty (a counterfeit, or the bus reads only zeros or ones)")
)

// errNotFinite is a number that is infinite, or none.
var errNotFinite = errors.New("the chip returned something that is not a number")

// Fault is an error that costs one channel and no other: Read returns it beside the values
// of the others, joined with those of further channels.
func Fault(channel string, err error) error {
	return &drivers.ChannelError{Channel: channel, Err: err}
}

// WrongChip names what is at the address instead of the chip that was wanted; known has
// the driver by the id.
func WrongChip(want string, id uint32, known map[uint32]string) error {
	if name, ok := known[id]; ok {
		return fmt.Errorf("this is a %s (id 0x%02x), not a %s (try: driver = %q)", name, id, want, name)
	}
	return fmt.Errorf("id 0x%02x is not that of a %s (another chip there? try: sensorgate scan i2c, or scan spi)", id, want)
}

// JoinErrors is errors.Join, but nil stays nil and one error stays itself.
func JoinErrors(errs ...error) error {
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

// isRefusal distinguishes a command that was not executed from a chip that failed.
func isRefusal(err error) bool {
	return errors.Is(err, drivers.ErrRefused) || errors.Is(err, drivers.ErrNoCommands)
}
