package chips

import (
	"context"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

type scd30Options struct {
	scdOptions
	chip.ReadyPin
}

// Claims implements drivers.Claimer.
func (o *scd30Options) Claims() []drivers.Claim { return o.With(o.scdOptions.Claims()) }

// SCD30 measures CO2 every two seconds. Its pin RDY is high from then until it is read:
// interface description, "Pin-out".
func SCD30(b *bus.Buses) drivers.Driver {
	return chip.Driver[*scd30Options]{
		Name:      "scd30",
		Summary:   "Sensirion SCD30: CO2, temperature, humidity",
		Addresses: []uint16{0x61},
		Every:     10 * time.Second,
		Channels:  append(co2Channels(1, 40000), co2Reference(), airPressure(700, 1400)),
		Needs:     chip.Need("temperature", "humidity", "co2"),
		Options:   func() *scd30Options { return &scd30Options{} },
		IRQ:       chip.IRQ{High: true, Ready: true},
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *scd30Options, config chip.Config) (chip.Device, error) {
			// Interface description sections 1.4.2 to 1.4.8: interval, altitude, self
			// calibration, then start without pressure.
			for _, set := range [][2]uint16{{0x4600, 2}, {0x5102, uint16(o.Altitude)}, {0x5306, flag(o.SelfCal)}, {0x0010, 0}} {
				if err := sensirionCommand(ctx, d, set[0], set[1]); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
					return nil, err
				}
			}
			f := &fresh{last: time.Now(), limit: 8 * time.Second}
			pressure := 0.0                                                  // none was written
			setPressure := func(ctx context.Context, pascal float64) error { // in mbar: section 1.4.1
				if err := sensirionCommand(ctx, d, 0x0010, uint16(math.Round(pascal/100))); err != nil {
					return err
				}
				pressure = pascal
				return bus.Sleep(ctx, 20*time.Millisecond)
			}
			numbers := chip.Numbers(co2Channels(1, 40000), func(ctx context.Context) ([]float64, error) {
				// Starting anew with a pressure costs no measurement: section 1.4.1. Only when it changed,
				// as it starts the interval anew.
				if p, ok := o.follow(config.Latest, o.PressureFrom, "Pa", 70000, 140000); ok && math.Abs(p-pressure) >= 100 {
					if err := setPressure(ctx, p); err != nil {
						return nil, err
					}
				}
				return readSCD30(ctx, d, f)
			})
			return adapter.Acting(numbers, map[string]adapter.Action{
				"pressure": adapter.Within(70000, 140000, "Pa", setPressure),
				// In ppm: section 1.4.6.
				"reference": adapter.Within(400, 2000, "ppm", func(ctx context.Context, ppm float64) error {
					return sensirionCommand(ctx, d, 0x5204, uint16(math.Round(ppm)))
				}),
			}), nil
		},
	}.On(b)
}

// readSCD30 takes three floating-point numbers of two words each. Sections 1.4.4, 1.4.5:
// 3 ms between command and answer.
func readSCD30(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := sensirionAsk(ctx, d, 4*time.Millisecond, 1, 0x0202)
	if err != nil {
		return nil, err
	}
	switch ready[0] {
	case 0:
		return nil, f.none()
	case 1:
	default:
		return nil, fmt.Errorf("data ready is %d, expected 0 or 1", ready[0])
	}
	w, err := sensirionAsk(ctx, d, 4*time.Millisecond, 6, 0x0300)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	out := floats(w)
	if out[0] == 0 { // the first value after a start
		return nil, nil
	}
	return out, sensirionNumbers(co2Channels(1, 40000), out)
}
