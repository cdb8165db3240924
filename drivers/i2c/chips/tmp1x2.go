package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// tmp102 measures once each time it is asked.
func tmp102(b *bus.Buses, name, summary string) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      name,
		Summary:   summary,
		Addresses: chip.Span(0x48, 0x4b),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-55, 128)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			// Shut down between the measurements, so that a chip that comes back after a power
			// dip, converting on its own, is known from ours. Section 6.5.3.
			const shutdown, oneShot = 0x0100, 0x8000
			const config = 0x6080 | shutdown
			// The alert bit (5) follows the temperature.
			const compared = 0x7fc0
			if err := d.Write16(ctx, 0x01, config); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				if err := d.Write16(ctx, 0x01, config|oneShot); err != nil {
					return nil, err
				}
				// At most 35 ms: section 5.5.
				for range 4 {
					if err := bus.Sleep(ctx, 36*time.Millisecond); err != nil {
						return nil, err
					}
					got, err := d.U16(ctx, 0x01)
					switch {
					case err != nil:
						return nil, err
					case (got^config)&compared != 0:
						return nil, chip.ErrReset
					case got&oneShot != 0: // reads one when it is over
						return readLM75(ctx, d, config, compared, 0xfff0)
					}
				}
				return nil, chip.ErrNoData
			}, nil
		},
	}.On(b)
}

// readLM75 reads the temperature and then sees that the chip is still the one that was
// set up. The number is left-adjusted, 1/256 °C; mask are its valid bits.
func readLM75(ctx context.Context, d *bus.Dev, config, compared, mask uint16) ([]float64, error) {
	raw, err := d.U16(ctx, 0x00)
	if err != nil {
		return nil, err
	}
	got, err := d.U16(ctx, 0x01)
	if err != nil {
		return nil, err
	}
	if (got^config)&compared != 0 {
		return nil, chip.ErrReset
	}
	return []float64{float64(int16(raw&mask)) / 256}, nil
}
