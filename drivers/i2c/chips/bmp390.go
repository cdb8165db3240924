package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// BMP390 is the BMP388's successor.
func BMP390(b *bus.Buses) drivers.Driver { return bmp3(b, "bmp390") }
