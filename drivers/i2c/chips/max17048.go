package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MAX17048 guesses how full a lithium cell is, from its voltage: MAX17048 (one cell),
// MAX17049 (two). Data sheet 19-6171, "Registers".
func MAX17048(b *bus.Buses) drivers.Driver {
	const (
		cell, charge, version, rate, status = 0x02, 0x04, 0x08, 0x16, 0x1a
		// wasReset is set after power-on and cleared by whoever configures the chip.
		wasReset = 0x0100
	)
	return chip.Driver[*chip.I2COptions]{
		Name:      "max17048",
		Summary:   "Maxim MAX17048, MAX17049: charge of a lithium cell",
		Addresses: []uint16{0x36},
		Every:     30 * time.Second,
		Channels: []drivers.Channel{{Name: "voltage", Unit: "V", Min: 0, Max: 10.3}, {Name: "charge", Unit: "%", Min: 0, Max: 120},
			{Name: "rate", Unit: "%/h", Min: -1000, Max: 1000}},
		Options: chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			v, err := d.U16(ctx, version)
			if err != nil {
				return nil, err
			}
			if v&0xfff0 != 0x0010 {
				return nil, chip.WrongChip("max17048", uint32(v), nil)
			}
			s, err := d.U16(ctx, status)
			if err != nil {
				return nil, err
			}
			if s&wasReset != 0 {
				// Its first guess is there a second after power-on.
				if err := bus.Sleep(ctx, time.Second); err != nil {
					return nil, err
				}
				if err := d.Write16(ctx, status, s&^wasReset); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context) ([]float64, error) {
				var raw [3]uint16
				for i, reg := range []byte{cell, charge, rate} {
					if raw[i], err = d.U16(ctx, reg); err != nil {
						return nil, err
					}
				}
				s, err := d.U16(ctx, status)
				if err != nil {
					return nil, err
				}
				if s&wasReset != 0 {
					return nil, chip.ErrReset
				}
				if raw[0] == 0 {
					return nil, fmt.Errorf("%w: the cell has no voltage (is it connected?)", drivers.ErrNoAnswer)
				}
				// 78.125 µV, 1/256 %, 0.208 % an hour.
				return []float64{float64(raw[0]) * 78.125e-6, float64(raw[1]) / 256, float64(int16(raw[2])) * 0.208}, nil
			}, nil
		},
	}.On(b)
}
