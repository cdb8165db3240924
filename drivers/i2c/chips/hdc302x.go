package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// HDC302x measures temperature and humidity: HDC3020, HDC3021, HDC3022. SNVSBY3.
func HDC302x(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()}
	return chip.Driver[*chip.I2COptions]{
		Name:      "hdc302x",
		Summary:   "TI HDC3020, HDC3021, HDC3022: temperature, humidity",
		Addresses: chip.Span(0x44, 0x47),
		Every:     10 * time.Second,
		Channels:  append(channels, heatChannel()),
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if err := sensirionIdle(ctx, d); err != nil {
				return nil, err
			}
			id, err := sensirionAsk(ctx, d, time.Millisecond, 1, 0x3781)
			if err != nil {
				return nil, err
			}
			if id[0] != 0x3000 { // the maker's id: TI
				return nil, chip.WrongChip("hdc302x", uint32(id[0]), nil)
			}
			return heatedBy(config, channels, func(ctx context.Context) ([]float64, error) {
				// Trigger on demand, lowest noise: table 7-4. 12.5 ms, at most 14.5 ms.
				w, err := sensirionAsk(ctx, d, 16*time.Millisecond, 2, 0x2400)
				if err != nil {
					return nil, err
				}
				return []float64{-45 + 175*float64(w[0])/65535, 100 * float64(w[1]) / 65535}, nil
			}, heatHDC302x(d)), nil
		},
	}.On(b)
}
