package chips

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Commands and bits of the ADS1119, as in the kernel's ti-ads1119.c, read.
const (
	ads1119Start, ads1119Data, ads1119Config, ads1119Status, ads1119Write = 0x08, 0x10, 0x20, 0x24, 0x40

	ads1119Gain4 = 0x10
	// ads1119All converts all the time, 20 times a second, against the reference in the chip. It
	// is off after a reset, which shows whatever input is wanted.
	ads1119All   = 0x02
	ads1119Ready = 0x80 // of the status, until the code is read
)

// ads1119Inputs are the positions of the input multiplexer.
var ads1119Inputs = []string{"A0-A1", "A2-A3", "A1-A2", "A0", "A1", "A2", "A3"}

// ads1119Input is one of the user's channels.
type ads1119Input struct {
	Input string `toml:"input" required:"true" example:"\"A0\"" doc:"The input: A0 to A3 against ground, or A0-A1, A1-A2, A2-A3."`
	Gain  int    `toml:"gain" example:"4" doc:"The gain, 1 or 4: full scale is 2.048 V divided by it."`
}

// Check implements drivers.Checker.
func (o *ads1119Input) Check() error {
	var errs []error
	if !slices.Contains(ads1119Inputs, o.Input) {
		errs = append(errs, &drivers.KeyError{Key: "input", Problem: fmt.Sprintf("found %q", o.Input), Expected: strings.Join(ads1119Inputs, ", ")})
	}
	if o.Gain != 1 && o.Gain != 4 {
		errs = append(errs, &drivers.KeyError{Key: "gain", Problem: fmt.Sprintf("found %d", o.Gain), Expected: "1 or 4"})
	}
	return chip.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *ads1119Input) Outputs() []drivers.Channel { return []drivers.Channel{{Unit: "V"}} }

// ADS1119 converts four voltages, 16 bits.
func ADS1119(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:           "ads1119",
		Summary:        "TI ADS1119: four voltages, 16 bits",
		Addresses:      chip.Span(0x40, 0x4f),
		Every:          2 * time.Second,
		Options:        chip.NoOptions,
		ChannelOptions: func() any { return &ads1119Input{Gain: 1} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if len(config.Channels) == 0 {
				return nil, errors.New(`no channels (try: level = { input = "A0" })`)
			}
			_, err := d.U8(ctx, ads1119Config)
			return inputs{config.Channels, "V", func(ctx context.Context, options any) (float64, error) {
				return convertADS1119(ctx, d, options.(*ads1119Input))
			}}, err
		},
	}.On(b)
}

// convertADS1119 takes one conversion of one input. What is ready of the input before is read
// first, so that what is ready is what follows.
func convertADS1119(ctx context.Context, d *bus.Dev, in *ads1119Input) (float64, error) {
	config := byte(slices.Index(ads1119Inputs, in.Input))<<5 | ads1119All
	if in.Gain == 4 {
		config |= ads1119Gain4
	}
	if err := d.Write(ctx, ads1119Write, config); err != nil {
		return 0, err
	}
	if _, err := d.U16(ctx, ads1119Data); err != nil {
		return 0, err
	}
	if err := d.Write(ctx, ads1119Start); err != nil {
		return 0, err
	}
	if err := awaitBits(ctx, d, ads1119Status, ads1119Ready, 52*time.Millisecond); err != nil {
		return 0, err
	}
	raw, err := d.U16(ctx, ads1119Data)
	if err != nil {
		return 0, err
	}
	if now, err := d.U8(ctx, ads1119Config); err != nil {
		return 0, err
	} else if now != config {
		return 0, chip.ErrReset
	}
	if raw == 0x7fff || raw == 0x8000 {
		return 0, errBeyond
	}
	return float64(int16(raw)) / 32768 * 2.048 / float64(in.Gain), nil
}
