package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

type lm75Options struct {
	chip.I2COptions
	Bits int `toml:"bits" example:"12" doc:"The resolution of the chip: LM75 9, LM75A and LM75B 11, TMP75 and TMP175 12."`
}

// Check implements drivers.Checker.
func (o *lm75Options) Check() error {
	var err error
	if o.Bits < 9 || o.Bits > 12 {
		err = &drivers.KeyError{Key: "bits", Problem: fmt.Sprintf("found %d", o.Bits), Expected: "9 to 12"}
	}
	return chip.JoinErrors(o.I2COptions.Check(), err)
}

// lm75 converts all the time: LM75, LM75A, LM75B, TMP75, TMP175, DS75 and many copies.
// They have neither an id nor anything that shows a reset, so we leave a mark in
// their hysteresis register: half a degree below what it is after power-on. SNIS153
// section 7.6.
func lm75(b *bus.Buses, name, summary string, bits int) drivers.Driver {
	return chip.Driver[*lm75Options]{
		Name:      name,
		Summary:   summary,
		Addresses: chip.Span(0x48, 0x4f),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-55, 128)},
		Options:   func() *lm75Options { return &lm75Options{Bits: bits} },
		Open: func(ctx context.Context, d *bus.Dev, o *lm75Options) (chip.Read, error) {
			// Converting, not shut down: bit 0. The TMP75 starts with 9 bits; SBOS288 section 6.5.3,
			// R1 and R0. The hysteresis of 74.5 °C is the mark.
			config, counts := uint16(0x00), uint16(0x01)
			if o.Bits == 12 {
				config, counts = 0x60, 0x61
			}
			settings := []setting{{0x01, true, counts, config}, {0x02, false, 0xff80, 0x4a80}}
			if err := writeSettings(ctx, d, settings); err != nil {
				return nil, err
			}
			// The first conversion after power-on, of 12 bits, takes at most 300 ms.
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			valid := uint16(0xffff) << (16 - o.Bits)
			return marked(d, 0x00, settings, func(raw uint16) float64 {
				return float64(int16(raw&valid)) / 256
			}), nil
		},
	}.On(b)
}
