package chips

import (
	"context"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// setting is a register of one byte or two that must hold what was written: in its mode
// bits, because another program may have left others, and as a mark, because after a reset
// it is another. mask are the bits that count.
type setting struct {
	reg        byte
	narrow     bool // one byte
	mask, want uint16
}

// write sets them.
func writeSettings(ctx context.Context, d *bus.Dev, all []setting) error {
	for _, s := range all {
		b := []byte{s.reg, byte(s.want >> 8), byte(s.want)}
		if s.narrow {
			b = []byte{s.reg, byte(s.want)}
		}
		if err := d.Write(ctx, b...); err != nil {
			return err
		}
	}
	return nil
}

// checkSettings returns chip.ErrReset where the chip does not hold one of them.
func checkSettings(ctx context.Context, d *bus.Dev, all []setting) error {
	for _, s := range all {
		got, err := s.read(ctx, d)
		if err != nil {
			return err
		}
		if (got^s.want)&s.mask != 0 {
			return chip.ErrReset
		}
	}
	return nil
}

func (s setting) read(ctx context.Context, d *bus.Dev) (uint16, error) {
	if s.narrow {
		v, err := d.U8(ctx, s.reg)
		return uint16(v), err
	}
	return d.U16(ctx, s.reg)
}

// marked reads the register temp of a chip that converts on its own, and then checks that
// the settings are still there.
func marked(d *bus.Dev, temp byte, settings []setting, celsius func(raw uint16) float64) chip.Read {
	return func(ctx context.Context) ([]float64, error) {
		raw, err := d.U16(ctx, temp)
		if err != nil {
			return nil, err
		}
		if err := checkSettings(ctx, d, settings); err != nil {
			return nil, err
		}
		return []float64{celsius(raw)}, nil
	}
}
