package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SCD30 measures CO2 every two seconds.
func SCD30(b *bus.Buses) drivers.Driver {
	return chip.Driver[*scdOptions]{
		Name:      "scd30",
		Summary:   "Sensirion SCD30: CO2, temperature, humidity",
		Addresses: []uint16{0x61},
		Every:     10 * time.Second,
		Channels:  co2Channels(1, 40000),
		Needs:     chip.Need("temperature", "humidity", "co2"),
		Options:   func() *scdOptions { return &scdOptions{} },
		Open: func(ctx context.Context, d *bus.Dev, o *scdOptions) (chip.Read, error) {
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
			return func(ctx context.Context) ([]float64, error) { return readSCD30(ctx, d, f) }, nil
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
