package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	spibus "sensorgate/drivers/spi/bus"
)

// BMP390 is the BMP388's successor.
func BMP390(b *bus.Buses, s *spibus.Buses) drivers.Driver { return bmp3(b, s, "bmp390") }
