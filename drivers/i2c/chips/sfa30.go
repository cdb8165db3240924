package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SFA30 measures formaldehyde every half second. Commands, times and scales as in esp-idf-lib's
// sfa3x and ESPHome's sfa30, read.
func SFA30(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{{Name: "formaldehyde", Unit: "ppb", Min: 0, Max: 5000}, chip.Humidity(), chip.Temperature(-20, 70)}
	return chip.Driver[*chip.I2COptions]{
		Name:      "sfa30",
		Summary:   "Sensirion SFA30: formaldehyde, humidity, temperature",
		Addresses: []uint16{0x5d},
		Every:     10 * time.Second,
		Channels:  channels,
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			// Stopped, which takes 50 ms, and started: another program may have done either.
			for _, cmd := range []uint16{0x0104, 0x0006} {
				if err := sensirionCommand(ctx, d, cmd); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 60*time.Millisecond); err != nil {
					return nil, err
				}
			}
			if err := bus.Sleep(ctx, 500*time.Millisecond); err != nil { // the first measurement
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				// A chip that does not measure, as after a dip of its supply, does not answer.
				w, err := sensirionAsk(ctx, d, 5*time.Millisecond, 3, 0x0327)
				if err != nil {
					return nil, err
				}
				return []float64{float64(int16(w[0])) / 5, float64(int16(w[1])) / 100, float64(int16(w[2])) / 200}, nil
			}, nil
		},
	}.On(b)
}
