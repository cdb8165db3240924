package chips

import (
	"context"
	"errors"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SEN5x measures dust, and with it humidity, temperature, VOC (SEN54) and NOx (SEN55).
func SEN5x(b *bus.Buses) drivers.Driver {
	channels := append(particles("pm1_0", "pm2_5", "pm4_0", "pm10"), chip.Humidity(), chip.Temperature(-40, 85),
		drivers.Channel{Name: "voc_index", Min: 1, Max: 500}, drivers.Channel{Name: "nox_index", Min: 1, Max: 500})
	return chip.Driver[*chip.I2COptions]{
		Name:      "sen5x",
		Summary:   "Sensirion SEN50, SEN54, SEN55: dust, humidity, temperature, VOC index, NOx index",
		Addresses: []uint16{0x69},
		Every:     10 * time.Second,
		Channels:  append(channels, adapter.Pressed("clean")),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			// Once: stopping makes it forget what its indexes have learnt, so a fault of the bus
			// must not.
			if _, known := config.Keep["started"]; !known {
				if err := stopSEN5x(ctx, d); err != nil {
					return nil, err
				}
			}
			if err := sensirionCommand(ctx, d, 0x0021); err != nil { // start, section 6.1.1; 50 ms
				return nil, err
			}
			if err := bus.Sleep(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
			config.Keep["started"] = true
			f := &fresh{last: time.Now(), limit: 5 * time.Second}
			numbers := chip.Numbers(channels, func(ctx context.Context) ([]float64, error) { return readSEN5x(ctx, d, f) })
			return adapter.Acting(numbers, map[string]adapter.Action{"clean": f.cleaning(d)}), nil
		},
	}.On(b)
}

// stopSEN5x ends what another program started, which may be a measurement without dust
// (section 6.1.2), and its compensation of the temperature ("Read/Write Temperature
// Compensation Parameters").
func stopSEN5x(ctx context.Context, d *bus.Dev) error {
	if err := sensirionCommand(ctx, d, 0x0104); err != nil { // section 6.1.3; 200 ms
		return err
	}
	if err := bus.Sleep(ctx, 200*time.Millisecond); err != nil {
		return err
	}
	err := sensirionCommand(ctx, d, 0x60b2, 0, 0, 0)
	if errors.Is(err, drivers.ErrNoAnswer) && ctx.Err() == nil {
		err = nil // a SEN50 has no temperature
	}
	if err != nil {
		return err
	}
	return bus.Sleep(ctx, 20*time.Millisecond)
}

// readSEN5x: section 6.1.4. What a variant does not measure, and what it does not know
// yet, is 0xffff or 0x7fff.
func readSEN5x(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := sensirionAsk(ctx, d, 20*time.Millisecond, 1, 0x0202)
	if err != nil {
		return nil, err
	}
	if ready[0]&0xff == 0 {
		return nil, f.none()
	}
	w, err := sensirionAsk(ctx, d, 20*time.Millisecond, 8, 0x03c4)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	out := make([]float64, len(w))
	for i, scale := range []float64{10, 10, 10, 10, 100, 200, 10, 10} {
		switch {
		case i < 4 && w[i] == 0xffff, i >= 4 && w[i] == 0x7fff:
			out[i] = math.NaN()
		case i < 4:
			out[i] = float64(w[i]) / scale
		default:
			out[i] = float64(int16(w[i])) / scale
		}
	}
	return out, nil
}
