package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Measurement times of the BH1750: the usual one, and the shortest for full sunlight.
// ROHM BH1750FVI Rev.D, "Adjust measurement result for influence of optical window".
const (
	bhUsual    = 69
	bhShortest = 31
)

// BH1750 measures light. It has no id and its settings cannot be read.
func BH1750(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "bh1750",
		Summary:   "ROHM BH1750: light",
		Addresses: []uint16{0x23, 0x5c},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{{Name: "illuminance", Unit: "lx", Min: 0, Max: 121600}},
		Options:   chip.NoOptions,
		Open: func(_ context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			return func(ctx context.Context) ([]float64, error) {
				lux, err := readBH1750(ctx, d)
				return []float64{lux}, err
			}, nil
		},
	}.On(b)
}

func readBH1750(ctx context.Context, d *bus.Dev) (float64, error) {
	time := uint16(bhUsual)
	raw, err := measureBH1750(ctx, d, time)
	if err == nil && raw == 0xffff {
		time = bhShortest
		raw, err = measureBH1750(ctx, d, time)
	}
	if err != nil {
		return 0, err
	}
	switch raw {
	case 0xffff:
		return 0, errors.New("brighter than it can measure (or the bus reads only ones)")
	case 0:
		// Dark, or a chip that just lost its power, or nobody there: only dark says so twice,
		// and only a chip at an address of its own.
		if raw, err = measureBH1750(ctx, d, time); err != nil {
			return 0, err
		}
		if err := d.NotStuck(ctx); err != nil {
			return 0, err
		}
	}
	return float64(raw) / 1.2 * bhUsual / float64(time), nil
}

// measureBH1750 measures once with high resolution: power on, set the time, start, wait
// (180 ms at most for the usual time), read.
func measureBH1750(ctx context.Context, d *bus.Dev, mt uint16) (uint16, error) {
	for _, cmd := range []byte{0x01, 0x40 | byte(mt>>5), 0x60 | byte(mt&0x1f), 0x20} {
		if err := d.Write(ctx, cmd); err != nil {
			return 0, err
		}
	}
	if err := bus.Sleep(ctx, 180*time.Millisecond*time.Duration(mt)/bhUsual); err != nil {
		return 0, err
	}
	b, err := d.Read(ctx, 2)
	return uint16(b[0])<<8 | uint16(b[1]), err
}
