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

// Registers and configuration bits. SBAS444 section 9.6 (ADS1115), SBAS473 (ADS1015).
const (
	adsConversion = 0x00
	adsConfig     = 0x01

	adsStart      = 0x8000 // write: begin a conversion; read: 1 is idle
	adsSingleShot = 0x0100
	adsComparator = 0x0003 // off
	// adsMarker is the comparator's polarity: the comparator is off, so it does nothing but
	// show our settings from those after a reset, whatever input and range are wanted.
	adsMarker = 0x0008
)

// adsInputs are the positions of the input multiplexer.
var adsInputs = []string{"A0-A1", "A0-A3", "A1-A3", "A2-A3", "A0", "A1", "A2", "A3"}

// adsRanges are the full scales in V.
var adsRanges = []float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256}

type adsOptions struct {
	chip.I2COptions
	Rate int `toml:"rate" example:"128" doc:"Samples per second, 8 to 860 (ads1015: 128 to 3300); slower is quieter."`

	rates []int
}

// Check implements drivers.Checker.
func (o *adsOptions) Check() error {
	var err error
	if !slices.Contains(o.rates, o.Rate) {
		err = &drivers.KeyError{Key: "rate", Problem: fmt.Sprintf("found %d", o.Rate), Expected: strings.Trim(fmt.Sprint(o.rates), "[]")}
	}
	return chip.JoinErrors(o.I2COptions.Check(), err)
}

// adsInput is one of the user's channels.
type adsInput struct {
	Input string    `toml:"input" required:"true" example:"\"A0\"" doc:"The input: A0 to A3 against ground, or A0-A1, A0-A3, A1-A3, A2-A3."`
	Range chip.Volt `toml:"range" example:"\"4.096V\"" doc:"Full scale: 6.144V, 4.096V, 2.048V, 1.024V, 0.512V or 0.256V."`
}

// Check implements drivers.Checker.
func (o *adsInput) Check() error {
	var errs []error
	if !slices.Contains(adsInputs, o.Input) {
		errs = append(errs, &drivers.KeyError{Key: "input", Problem: fmt.Sprintf("found %q", o.Input), Expected: strings.Join(adsInputs, ", ")})
	}
	if !slices.Contains(adsRanges, float64(o.Range)) {
		errs = append(errs, &drivers.KeyError{Key: "range", Problem: fmt.Sprintf("found %g V", o.Range),
			Expected: "6.144V, 4.096V, 2.048V, 1.024V, 0.512V or 0.256V"})
	}
	return chip.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *adsInput) Outputs() []drivers.Channel { return []drivers.Channel{{Unit: "V"}} }

func ads(b *bus.Buses, name, summary string, rates []int, rate int, top uint16) drivers.Driver {
	return chip.Driver[*adsOptions]{
		Name:           name,
		Summary:        summary,
		Addresses:      []uint16{0x48, 0x49, 0x4a, 0x4b},
		Every:          2 * time.Second,
		Options:        func() *adsOptions { return &adsOptions{Rate: rate, rates: rates} },
		ChannelOptions: func() any { return &adsInput{Range: 4.096} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *adsOptions, config chip.Config) (chip.Device, error) {
			a := &adsDevice{d: d, rate: o.Rate, code: uint16(slices.Index(rates, o.Rate)), top: top}
			if len(config.Channels) == 0 {
				return nil, errors.New(`no channels (try: level = { input = "A0" })`)
			}
			_, err := d.U16(ctx, adsConfig)
			return inputs{config.Channels, "V", a.convert}, err
		},
	}.On(b)
}

type adsDevice struct {
	d    *bus.Dev
	rate int
	code uint16 // of rate
	top  uint16 // the highest code, which means that the input is beyond
}

// convert makes one conversion of one input. The chip says when it is over and with
// which settings: its clock may be 10 % off, and a conversion register read too early
// holds the voltage of the input before.
func (a *adsDevice) convert(ctx context.Context, options any) (float64, error) {
	in := options.(*adsInput)
	config := adsSingleShot | adsComparator | adsMarker | a.code<<5 |
		uint16(slices.Index(adsInputs, in.Input))<<12 | uint16(slices.Index(adsRanges, float64(in.Range)))<<9
	if err := a.d.Write16(ctx, adsConfig, config|adsStart); err != nil {
		return 0, err
	}
	period := time.Second/time.Duration(a.rate) + 50*time.Microsecond // it takes 25 µs to wake
	if err := a.await(ctx, config, period); err != nil {
		return 0, err
	}
	raw, err := a.d.U16(ctx, adsConversion)
	if err != nil {
		return 0, err
	}
	if now, err := a.d.U16(ctx, adsConfig); err != nil {
		return 0, err
	} else if now != config|adsStart {
		return 0, chip.ErrReset
	}
	// Full scale is 0x7fff, or 0x7ff0 with the ADS1015's 12 bits. Section 9.5.4, table 3.
	if raw == a.top || raw == 0x8000 {
		return 0, fmt.Errorf("%w of ±%g V", errBeyond, in.Range)
	}
	return float64(int16(raw)) * float64(in.Range) / 32768, nil
}

func (a *adsDevice) await(ctx context.Context, config uint16, period time.Duration) error {
	wait := period
	for range 12 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return err
		}
		now, err := a.d.U16(ctx, adsConfig)
		switch {
		case err != nil:
			return err
		case now&^adsStart != config:
			return chip.ErrReset
		case now&adsStart != 0:
			return nil
		}
		wait = period / 8
	}
	return chip.ErrNoData
}
