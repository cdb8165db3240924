package framing

import (
	"log/slog"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// Drivers lists the drivers whose frames the file describes.
func Drivers(buses *serial.Buses, log *slog.Logger) []drivers.Driver {
	ws := serial.NewWires(buses, log)
	return []drivers.Driver{linesDriver(ws), framesDriver(ws)}
}
