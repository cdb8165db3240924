package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SGP41 measures nitrogen oxides too.
func SGP41(b *bus.Buses) drivers.Driver {
	return chip.Driver[*sgp4xOptions]{
		Name:      "sgp41",
		Summary:   "Sensirion SGP41: VOC index, NOx index (sampled every second)",
		Addresses: []uint16{0x59},
		Every:     10 * time.Second,
		Sample:    gasSampleRate,
		Channels:  indexChannels("voc", "nox"),
		Options:   func() *sgp4xOptions { return &sgp4xOptions{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *sgp4xOptions, config chip.Config) (chip.Device, error) {
			return openSGP4x(ctx, d, o, config, true)
		},
	}.On(b)
}
