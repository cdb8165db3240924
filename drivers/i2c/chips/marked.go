package chips

import (
	"context"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// marked reads the register temp of a chip that converts on its own, and then sees that
// the mark is still there that we left in another register.
func marked(d *bus.Dev, temp, markReg byte, mask, mark uint16, celsius func(raw uint16) float64) chip.Read {
	return func(ctx context.Context) ([]float64, error) {
		raw, err := d.U16(ctx, temp)
		if err != nil {
			return nil, err
		}
		got, err := d.U16(ctx, markReg)
		if err != nil {
			return nil, err
		}
		if got&mask != mark {
			return nil, chip.ErrReset
		}
		return []float64{celsius(raw)}, nil
	}
}
