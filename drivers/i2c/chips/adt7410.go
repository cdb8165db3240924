package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// ADT7410 measures within 0.5 °C: ADT7410, ADT7420. Rev. A, register tables.
func ADT7410(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "adt7410",
		Summary:   "Analog Devices ADT7410, ADT7420: temperature",
		Addresses: chip.Span(0x48, 0x4b),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-55, 151)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x0b)
			if err != nil {
				return nil, err
			}
			if id&0xf8 != 0xc8 { // below is the revision
				return nil, chip.WrongChip("adt7410", uint32(id), nil)
			}
			// 16 bits, which is 0 after power-on, and converting on its own.
			settings := []setting{{0x03, true, 0xff, 0x80}}
			if err := writeSettings(ctx, d, settings); err != nil {
				return nil, err
			}
			// 240 ms a conversion.
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			return marked(d, 0x00, settings, func(raw uint16) float64 {
				return float64(int16(raw)) / 128
			}), nil
		},
	}.On(b)
}
