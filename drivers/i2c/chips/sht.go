package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// SHT3x measures temperature and humidity: SHT30, SHT31, SHT35.
func SHT3x(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "sht3x",
		summary:  "Sensirion SHT30, SHT31, SHT35: temperature, humidity",
		addrs:    []uint16{0x44, 0x45},
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 125), humidity()},
		options:  plain,
		open: func(_ context.Context, d *bus.Dev, _ *At) (read, error) {
			return func(ctx context.Context) ([]float64, error) {
				// Single shot, high repeatability, no clock stretching (which a Raspberry Pi up
				// to 3 gets wrong): section 4.3. At most 15.5 ms, section 2.2 table 4.
				w, err := ask(ctx, d, 16*time.Millisecond, 2, 0x2400)
				if err != nil {
					return nil, err
				}
				// Section 4.13.
				return []float64{-45 + 175*float64(w[0])/65535, 100 * float64(w[1]) / 65535}, nil
			}, nil
		},
	}.driver(b)
}

// SHT4x measures temperature and humidity: SHT40, SHT41, SHT45.
func SHT4x(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "sht4x",
		summary:  "Sensirion SHT40, SHT41, SHT45: temperature, humidity",
		addrs:    []uint16{0x44, 0x45, 0x46},
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 125), humidity()},
		options:  plain,
		open: func(_ context.Context, d *bus.Dev, _ *At) (read, error) {
			return func(ctx context.Context) ([]float64, error) {
				// High precision, at most 8.3 ms: section 4.5 and table 4.
				if err := d.Write(ctx, 0xfd); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 9*time.Millisecond); err != nil {
					return nil, err
				}
				w, err := words(ctx, d, 2)
				if err != nil {
					return nil, err
				}
				// Section 4.6: the formula goes beyond 0 and 100 %, to be cropped.
				rh := -6 + 125*float64(w[1])/65535
				return []float64{-45 + 175*float64(w[0])/65535, min(max(rh, 0), 100)}, nil
			}, nil
		},
	}.driver(b)
}

// SHTC3 measures temperature and humidity and sleeps in between.
func SHTC3(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "shtc3",
		summary:  "Sensirion SHTC3: temperature, humidity",
		addrs:    []uint16{0x70},
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 125), humidity()},
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			if err := wakeSHTC3(ctx, d); err != nil {
				return nil, err
			}
			id, err := ask(ctx, d, time.Millisecond, 1, 0xefc8)
			if err != nil {
				return nil, err
			}
			if id[0]&0x083f != 0x0807 { // section 5.9: the other bits differ from chip to chip
				return nil, wrongChip("shtc3", uint32(id[0]), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				if err := wakeSHTC3(ctx, d); err != nil {
					return nil, err
				}
				// Normal mode, temperature first, no clock stretching: table 9. At most 12.1 ms.
				w, err := ask(ctx, d, 13*time.Millisecond, 2, 0x7866)
				if err != nil {
					return nil, err
				}
				if err := command(ctx, d, 0xb098); err != nil { // sleep, section 5.1
					return nil, err
				}
				return []float64{-45 + 175*float64(w[0])/65536, 100 * float64(w[1]) / 65536}, nil
			}, nil
		},
	}.driver(b)
}

// wakeSHTC3 ends its sleep; it is ready after at most 240 µs. Section 5.1, table 5.
func wakeSHTC3(ctx context.Context, d *bus.Dev) error {
	if err := command(ctx, d, 0x3517); err != nil {
		return err
	}
	return bus.Sleep(ctx, 300*time.Microsecond)
}
