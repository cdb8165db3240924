package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SHT3x measures temperature and humidity: SHT30, SHT31, SHT35.
func SHT3x(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()}
	return chip.Driver[*chip.I2COptions]{
		Name:      "sht3x",
		Summary:   "Sensirion SHT30, SHT31, SHT35: temperature, humidity",
		Addresses: []uint16{0x44, 0x45},
		Every:     10 * time.Second,
		Channels:  append(channels, heatChannel()),
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if err := sensirionIdle(ctx, d); err != nil {
				return nil, err
			}
			return heatedBy(config, channels, func(ctx context.Context) ([]float64, error) {
				// Single shot, high repeatability, no clock stretching (which a Raspberry Pi up
				// to 3 gets wrong): section 4.3. At most 15.5 ms, section 2.2 table 4.
				w, err := sensirionAsk(ctx, d, 16*time.Millisecond, 2, 0x2400)
				if err != nil {
					return nil, err
				}
				// Section 4.13.
				return []float64{-45 + 175*float64(w[0])/65535, 100 * float64(w[1]) / 65535}, nil
			}, heatSHT3x(d)), nil
		},
	}.On(b)
}
