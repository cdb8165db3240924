package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SHTC3 measures temperature and humidity and sleeps in between.
func SHTC3(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "shtc3",
		Summary:   "Sensirion SHTC3: temperature, humidity",
		Addresses: []uint16{0x70},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()},
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := wakeSHTC3(ctx, d); err != nil {
				return nil, err
			}
			id, err := sensirionAsk(ctx, d, time.Millisecond, 1, 0xefc8)
			if err != nil {
				return nil, err
			}
			if id[0]&0x083f != 0x0807 { // section 5.9: the other bits differ from chip to chip
				return nil, chip.WrongChip("shtc3", uint32(id[0]), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				if err := wakeSHTC3(ctx, d); err != nil {
					return nil, err
				}
				// Normal mode, temperature first, no clock stretching: table 9. At most 12.1 ms.
				w, err := sensirionAsk(ctx, d, 13*time.Millisecond, 2, 0x7866)
				if err != nil {
					return nil, err
				}
				if err := sensirionCommand(ctx, d, 0xb098); err != nil { // sleep, section 5.1
					return nil, err
				}
				return []float64{-45 + 175*float64(w[0])/65536, 100 * float64(w[1]) / 65536}, nil
			}, nil
		},
	}.On(b)
}

// wakeSHTC3 ends its sleep; it is ready after at most 240 µs. Section 5.1, table 5.
func wakeSHTC3(ctx context.Context, d *bus.Dev) error {
	if err := sensirionCommand(ctx, d, 0x3517); err != nil {
		return err
	}
	return bus.Sleep(ctx, 300*time.Microsecond)
}
