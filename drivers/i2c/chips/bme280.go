package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
)

// BME280 measures temperature, pressure and humidity.
func BME280(b *bus.Buses, s *spibus.Buses) drivers.Driver {
	return chip.Driver[*bmeOptions]{
		Name:      "bme280",
		Summary:   "Bosch BME280: temperature, pressure, humidity",
		Addresses: []uint16{0x76, 0x77},
		SPI:       bmeSPI(),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 110000), chip.Humidity()},
		Needs:     chip.Need("temperature", "pressure", "humidity"),
		Options:   func() *bmeOptions { return &bmeOptions{Oversampling: 1} },
		Open: func(ctx context.Context, d *bus.Dev, o *bmeOptions) (chip.Read, error) {
			return openBMx280(ctx, d, o, true)
		},
	}.OnEither(b, s)
}
