package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SGP40 measures volatile organic compounds.
func SGP40(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "sgp40",
		Summary:   "Sensirion SGP40: VOC index (sampled every second)",
		Addresses: []uint16{0x59},
		Every:     10 * time.Second,
		Sample:    gasSampleRate,
		Channels:  indexChannels("voc"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			return openSGP4x(ctx, d, config, false)
		},
	}.On(b)
}
