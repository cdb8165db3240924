package chip

import (
	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
)

// What a chip's file needs of package adapter, under one roof with what is I2C's.

type (
	Read      = adapter.Read      // asks the chip once; NaN is no value this time
	Device    = adapter.Device    // an open chip
	Commander = adapter.Commander // a Device that takes commands
	Volt      = adapter.Volt      // an option such as "4.096V"
	Ohm       = adapter.Ohm       // an option such as "2 mohm"
)

var (
	ErrReset         = adapter.ErrReset         // the chip has lost what was set
	ErrNoData        = adapter.ErrNoData        // a conversion was not finished in its time
	ErrNoCalibration = adapter.ErrNoCalibration // the factory coefficients are empty
)

// Fault is an error that costs one channel and no other.
func Fault(channel string, err error) error { return adapter.Fault(channel, err) }

// WrongChip names what is at the address instead of the chip that was wanted.
func WrongChip(want string, id uint32, known map[uint32]string) error {
	return adapter.WrongChip(want, id, known)
}

// JoinErrors is errors.Join, but nil stays nil and one error stays itself.
func JoinErrors(errs ...error) error { return adapter.JoinErrors(errs...) }

// Temperature is a channel in °C.
func Temperature(lo, hi float64) drivers.Channel { return adapter.Temperature(lo, hi) }

// Humidity is a channel of relative humidity in %.
func Humidity() drivers.Channel { return adapter.Humidity() }

// Pressure is a channel in Pa.
func Pressure(lo, hi float64) drivers.Channel { return adapter.Pressure(lo, hi) }

// Need is Driver.Needs of channels that are all computed with one other.
func Need(other string, channels ...string) map[string][]string {
	return adapter.Need(other, channels...)
}

// Readings makes readings of values in the order of channels, now. NaN is no reading.
func Readings(channels []drivers.Channel, values []float64) []drivers.Reading {
	return adapter.Readings(channels, values)
}

// Numbers makes a Device of a Read, for a Driver.OpenDevice that needs the Config and no
// more.
func Numbers(channels []drivers.Channel, read Read) Device { return adapter.Numbers(channels, read) }
