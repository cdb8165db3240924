package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// exposure is one way to measure light: how long and how sensitive.
type exposure struct {
	config uint16
	takes  time.Duration
	lux    float64 // per count
}

// vemlSaving is the register of the power saving mode.
const vemlSaving = 0x03

// vemlExposures from the least sensitive on. Designing the VEML7700 Into an Application,
// table of resolutions: 0.0042 lx a count with gain 2 and 800 ms (0.0036 up to data sheet
// revision 1.6).
var vemlExposures = []exposure{
	{0x1300, 25 * time.Millisecond, 0.0042 * 16 * 32}, // gain 1/8
	{0x1000, 100 * time.Millisecond, 0.0042 * 16 * 8},
	{0x0840, 200 * time.Millisecond, 0.0042 * 4}, // gain 2
}

// VEML7700 measures light, with a range chosen by what it sees: VEML7700, VEML6030.
func VEML7700(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "veml7700",
		Summary:   "Vishay VEML7700: light",
		Addresses: []uint16{0x10},
		Every:     10 * time.Second,
		Channels:  light(170000),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			// No power saving, which another program may have left on: with it the chip measures
			// seconds later than it is read.
			if err := d.Write(ctx, vemlSaving, 0, 0); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				e := vemlExposures[1]
				raw, err := measureVEML7700(ctx, d, e)
				switch {
				case err != nil:
					return nil, err
				case raw > 60000:
					e = vemlExposures[0]
				case raw < 1000:
					e = vemlExposures[2]
				default:
					return []float64{linear(float64(raw) * e.lux)}, nil
				}
				if raw, err = measureVEML7700(ctx, d, e); err != nil {
					return nil, err
				}
				if raw == 0xffff {
					return nil, errTooBright
				}
				return []float64{linear(float64(raw) * e.lux)}, nil
			}, nil
		},
	}.On(b)
}

// measureVEML7700 sets an exposure, waits for two of it (the first may have begun under
// the settings before), reads, and sees that the settings are still there: after power-on
// the chip is shut down.
func measureVEML7700(ctx context.Context, d *bus.Dev, e exposure) (uint16, error) {
	const config, als = 0x00, 0x04
	if err := d.Write(ctx, config, byte(e.config), byte(e.config>>8)); err != nil {
		return 0, err
	}
	if err := bus.Sleep(ctx, 5*time.Millisecond+e.takes*22/10); err != nil {
		return 0, err
	}
	raw, err := d.LE16(ctx, als)
	if err != nil {
		return 0, err
	}
	for _, kept := range []struct {
		reg  byte
		want uint16
	}{{config, e.config}, {vemlSaving, 0}} {
		if got, err := d.LE16(ctx, kept.reg); err != nil {
			return 0, err
		} else if got != kept.want {
			return 0, chip.ErrReset
		}
	}
	return raw, nil
}

// linear straightens what the chip shows of bright light. Same application note.
func linear(lux float64) float64 {
	if lux <= 1000 {
		return lux
	}
	return 6.0135e-13*math.Pow(lux, 4) - 9.3924e-9*math.Pow(lux, 3) + 8.1488e-5*lux*lux + 1.0023*lux
}
