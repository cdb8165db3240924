package kernel

import "sensorgate/drivers"

// Drivers is the table of contents.
func Drivers() []drivers.Driver {
	return []drivers.Driver{}
}
