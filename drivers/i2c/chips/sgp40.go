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
	return chip.Driver[*sgp4xOptions]{
		Name:      "sgp40",
		Summary:   "Sensirion SGP40: VOC index (sampled every second)",
		Addresses: []uint16{0x59},
		Every:     10 * time.Second,
		Sample:    gasSampleRate,
		Channels:  indexChannels("voc"),
		Options:   func() *sgp4xOptions { return &sgp4xOptions{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *sgp4xOptions, config chip.Config) (chip.Device, error) {
			return openSGP4x(ctx, d, o, config, false)
		},
	}.On(b)
}
