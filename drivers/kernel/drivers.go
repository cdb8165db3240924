package kernel

import "sensorgate/drivers"

// Drivers is the table of contents.
func Drivers() []drivers.Driver { return driversOn("/sys") }

// driversOn reads below root instead of /sys: a fixture tree in tests.
func driversOn(root sysfs) []drivers.Driver {
	return []drivers.Driver{
		root.w1(),
		root.w1Switch(),
		root.iio(),
		root.hwmon(),
	}
}
