package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

const hdcConfig = 0x02

// HDC1080 measures temperature and humidity: HDC1080 (SNAS672), and HDC1008, HDC1010 and
// HDC1000 with the same registers and another id (SNAS649, SNAS685), which are the only
// ones at 0x41 to 0x43.
func HDC1080(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()}
	return chip.Driver[*chip.I2COptions]{
		Name:      "hdc1080",
		Summary:   "TI HDC1080, HDC1008, HDC1010: temperature, humidity",
		Addresses: chip.Span(0x40, 0x43),
		Every:     10 * time.Second,
		Channels:  append(channels, heatChannel()),
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if err := checkTIIDs(ctx, d, "hdc1080", 0xfe, 0xff, 0x1050, 0x1000); err != nil {
				return nil, err
			}
			// One quantity at a time, 14 bits: all zero, where after power-on it is 0x1000.
			// Section 8.6.3.
			if err := d.Write16(ctx, hdcConfig, 0); err != nil {
				return nil, err
			}
			return heatedBy(config, channels, func(ctx context.Context) ([]float64, error) {
				var raw [2]uint16
				for reg := range raw {
					var err error
					if raw[reg], err = measureHDC1080(ctx, d, byte(reg)); err != nil {
						return nil, err
					}
				}
				got, err := d.U16(ctx, hdcConfig)
				if err != nil {
					return nil, err
				}
				// Bit 11 is the battery's state. A temperature of exactly nothing is what the
				// register holds before there was one.
				if got&^0x0800 != 0 || raw[0] == 0 {
					return nil, chip.ErrReset
				}
				celsius := float64(raw[0])/65536*165 - 40
				if raw[1] == 0 {
					return []float64{celsius, math.NaN()}, chip.Fault("humidity", errNoHumidity)
				}
				return []float64{celsius, float64(raw[1]) / 65536 * 100}, nil
			}, heatHDC1080(d)), nil
		},
	}.On(b)
}

// measureHDC1080 starts a measurement by naming its register. Section 8.5.1.3; at most
// 6.5 ms typically, the chip does not acknowledge before it is done.
func measureHDC1080(ctx context.Context, d *bus.Dev, reg byte) (uint16, error) {
	if err := d.Write(ctx, reg); err != nil {
		return 0, err
	}
	if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
		return 0, err
	}
	b, err := d.Read(ctx, 2)
	return uint16(b[0])<<8 | uint16(b[1]), err
}
