package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SDP3x measures small differences of pressure, as over a filter: SDP31, SDP32, SDP8x0 and
// SDP8x1. The scale of the pressure comes with each measurement. Commands as in RIOT's sdp3x
// and ESPHome's component, read.
func SDP3x(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "sdp3x",
		Summary:   "Sensirion SDP31, SDP32, SDP810, SDP811: difference of pressure",
		Addresses: []uint16{0x21, 0x22, 0x23, 0x25, 0x26},
		Every:     5 * time.Second,
		Channels:  []drivers.Channel{{Name: "difference", Unit: "Pa", Min: -550, Max: 550}, chip.Temperature(-40, 85)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			// Out of the continuous mode that another program may have left it in; a chip that is in
			// none does not acknowledge it.
			if err := sensirionCommand(ctx, d, 0x3ff9); err != nil && ctx.Err() != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				// Once, compensated for temperature, as a difference of pressure (0x3624 is as a flow of
				// mass, which is another number): 45 ms at most, without holding the clock.
				w, err := sensirionAsk(ctx, d, 50*time.Millisecond, 3, 0x362f)
				if err != nil {
					return nil, err
				}
				scale := float64(int16(w[2]))
				if scale != 60 && scale != 240 {
					return nil, fmt.Errorf("the scale is %v, which none of these chips has (60 up to 500 Pa, 240 up to 125 Pa)", scale)
				}
				return []float64{float64(int16(w[0])) / scale, float64(int16(w[1])) / 200}, nil
			}, nil
		},
	}.On(b)
}
