package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
)

// BMP280 is the BME280 without humidity.
func BMP280(b *bus.Buses, s *spibus.Buses) drivers.Driver {
	return chip.Driver[*bmeOptions]{
		Name:      "bmp280",
		Summary:   "Bosch BMP280: temperature, pressure",
		Addresses: []uint16{0x76, 0x77},
		SPI:       bmeSPI(),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 110000)},
		Needs:     chip.Need("temperature", "pressure"),
		Options:   func() *bmeOptions { return &bmeOptions{Oversampling: 1} },
		Open: func(ctx context.Context, d *bus.Dev, o *bmeOptions) (chip.Read, error) {
			return openBMx280(ctx, d, o, false)
		},
	}.OnEither(b, s)
}
