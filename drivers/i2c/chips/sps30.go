package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SPS30 measures dust.
func SPS30(b *bus.Buses) drivers.Driver {
	channels := particles("pm1_0", "pm2_5", "pm4_0", "pm10")
	for _, name := range []string{"nc0_5", "nc1_0", "nc2_5", "nc4_0", "nc10"} {
		channels = append(channels, drivers.Channel{Name: name, Unit: "1/cm³", Min: 0, Max: 100000})
	}
	channels = append(channels, drivers.Channel{Name: "size", Unit: "µm", Min: 0, Max: 100})
	return chip.Driver[*chip.I2COptions]{
		Name:      "sps30",
		Summary:   "Sensirion SPS30: dust by mass and number",
		Addresses: []uint16{0x69},
		Every:     10 * time.Second,
		Channels:  append(channels, adapter.Pressed("clean")),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, _ chip.Config) (chip.Device, error) {
			// Stop, or start would be ignored while another program has it measure whole numbers;
			// wake it, if one put it to sleep, twice within 100 ms: sections 6.3.2 and 6.3.6.
			if err := sensirionAwake(ctx, d, 0x0104, 0x1103, 2, 5*time.Millisecond); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			// Start with floating-point numbers: section 6.3.1. Ready after 20 ms, first values
			// after a second. Its fan cleans itself once a week by default.
			if err := sensirionCommand(ctx, d, 0x0010, 0x0300); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			f := &fresh{last: time.Now(), limit: 5 * time.Second}
			read := func(ctx context.Context) ([]float64, error) {
				ready, err := sensirionAsk(ctx, d, time.Millisecond, 1, 0x0202)
				if err != nil {
					return nil, err
				}
				if ready[0]&0xff == 0 {
					return nil, f.none()
				}
				w, err := sensirionAsk(ctx, d, time.Millisecond, 20, 0x0300)
				if err != nil {
					return nil, err
				}
				f.last = time.Now()
				out := floats(w)
				return out, sensirionNumbers(channels, out)
			}
			return adapter.Acting(chip.Numbers(channels, read), map[string]adapter.Action{"clean": f.cleaning(d)}), nil
		},
	}.On(b)
}
