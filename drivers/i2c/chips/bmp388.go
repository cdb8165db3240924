package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	spibus "sensorgate/drivers/spi/bus"
)

// BMP388 measures temperature and pressure: BMP388, BMP384, BMP390.
func BMP388(b *bus.Buses, s *spibus.Buses) drivers.Driver { return bmp3(b, s, "bmp388") }
