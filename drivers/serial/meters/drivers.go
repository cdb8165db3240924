package meters

import (
	"log/slog"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// Drivers lists the protocols that this package decodes.
func Drivers(buses *serial.Buses, log *slog.Logger) []drivers.Driver {
	ws := serial.NewWires(buses, log)
	return []drivers.Driver{nmeaDriver(ws), smlDriver(ws), d0Driver(ws), p1Driver(ws), mbusDriver(ws), wmbusDriver(ws), teleinfoDriver(ws)}
}
