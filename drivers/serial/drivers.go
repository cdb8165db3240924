package serial

import (
	"log/slog"

	"sensorgate/drivers"
)

// Drivers lists what this package can talk to.
func Drivers(buses Buses, log *slog.Logger) []drivers.Driver {
	ws := NewWires(buses, log)
	return []drivers.Driver{
		linesDriver(ws),
		framesDriver(ws),
		nmeaDriver(ws),
		smlDriver(ws),
		d0Driver(ws),
		mbusDriver(ws),
		teleinfoDriver(ws),
	}
}
