package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// STS3x is the thermometer of the SHT3x alone, with its commands: STS30, STS31,
// STS35. Command and formula as in ESPHome's component, read.
func STS3x(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "sts3x",
		Summary:   "Sensirion STS30, STS31, STS35: temperature",
		Addresses: []uint16{0x4a, 0x4b},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 125)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := sensirionIdle(ctx, d); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				w, err := sensirionAsk(ctx, d, 16*time.Millisecond, 1, 0x2400) // as in sht3x.go
				if err != nil {
					return nil, err
				}
				return []float64{-45 + 175*float64(w[0])/65535}, nil
			}, nil
		},
	}.On(b)
}
