package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// TMP117 measures within 0.1 °C. SNOSD82 section 7.6.
func TMP117(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "tmp117",
		Summary:   "TI TMP117, TMP119: temperature within 0.1 °C",
		Addresses: chip.Span(0x48, 0x4b),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-55, 150)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U16(ctx, 0x0f)
			if err != nil {
				return nil, err
			}
			if id&0x0fff != 0x0117 && id&0x0fff != 0x0119 { // above is the revision
				return nil, chip.WrongChip("tmp117", uint32(id), nil)
			}
			// A soft reset: what another program left goes, an offset among it, and what the user
			// put into the EEPROM stays. 2 ms; section 7.6.1.2, bit 1.
			if err := d.Write16(ctx, 0x01, 0x0002); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 3*time.Millisecond); err != nil {
				return nil, err
			}
			return readTMP117(d), nil
		},
	}.On(b)
}

func readTMP117(d *bus.Dev) chip.Read {
	const (
		mode, oneShot, shutdown = 0x0c00, 0x0c00, 0x0400
		average8                = 0x0020
		dataReady               = 0x2000
	)
	return func(ctx context.Context) ([]float64, error) {
		if err := d.Write16(ctx, 0x01, oneShot|average8); err != nil {
			return nil, err
		}
		wait := 130 * time.Millisecond // table 7-7: 125 ms, ±10 %
		for range 8 {
			if err := bus.Sleep(ctx, wait); err != nil {
				return nil, err
			}
			got, err := d.U16(ctx, 0x01)
			if err != nil {
				return nil, err
			}
			if got&mode == 0 || got&0x0060 != average8 { // continuous again, as after power-on
				return nil, chip.ErrReset
			}
			if got&dataReady == 0 {
				wait = 20 * time.Millisecond
				continue
			}
			raw, err := d.U16(ctx, 0x00)
			if err == nil && raw == 0x8000 { // what it holds until the first conversion
				err = chip.ErrNoData
			}
			return []float64{float64(int16(raw)) / 128}, err
		}
		return nil, chip.ErrNoData
	}
}
