package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SHT4x measures temperature and humidity: SHT40, SHT41, SHT45.
func SHT4x(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()}
	return chip.Driver[*chip.I2COptions]{
		Name:      "sht4x",
		Summary:   "Sensirion SHT40, SHT41, SHT45: temperature, humidity",
		Addresses: []uint16{0x44, 0x45, 0x46},
		Every:     10 * time.Second,
		Channels:  append(channels, heatChannel()),
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		OpenDevice: func(_ context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			return heatedBy(config, channels, func(ctx context.Context) ([]float64, error) {
				// High precision, at most 8.3 ms: section 4.5 and table 4.
				if err := d.Write(ctx, 0xfd); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 9*time.Millisecond); err != nil {
					return nil, err
				}
				w, err := sensirionWords(ctx, d, 2)
				if err != nil {
					return nil, err
				}
				// Section 4.6: the formula goes beyond 0 and 100 %, to be cropped.
				rh := -6 + 125*float64(w[1])/65535
				return []float64{-45 + 175*float64(w[0])/65535, min(max(rh, 0), 100)}, nil
			}, heatSHT4x(d)), nil
		},
	}.On(b)
}
