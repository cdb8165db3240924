package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

func htu21(b *bus.Buses, name, summary string) drivers.Driver {
	channels := []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()}
	return chip.Driver[*chip.I2COptions]{
		Name:      name,
		Summary:   summary,
		Addresses: []uint16{0x40},
		Every:     10 * time.Second,
		Channels:  append(channels, heatChannel()),
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if err := setHTU21(ctx, d, 0); err != nil {
				return nil, err
			}
			return heatedBy(config, channels, func(ctx context.Context) ([]float64, error) {
				// Without holding the clock; the longest times of the three (SHT21, table 7).
				rh, err := askHTU21(ctx, d, 0xf5, 29*time.Millisecond)
				if err != nil {
					return nil, err
				}
				t, err := askHTU21(ctx, d, 0xf3, 85*time.Millisecond)
				if err != nil {
					return nil, err
				}
				// HTU21D data sheet, "Conversion of signal outputs"; the formula goes beyond 0
				// and 100 %.
				return []float64{-46.85 + 175.72*t/65536, min(max(-6+125*rh/65536, 0), 100)}, nil
			}, heatHTU21(d)), nil
		},
	}.On(b)
}

// htuHeater is the bit of the heater in the user register.
const htuHeater = 0x04

// setHTU21 sets the highest resolution and puts the heater off (0) or on, whatever another
// program left. The other bits are reserved and stay. SHT21 data sheet section 5.6; a soft reset
// would not do, as it leaves the heater on (section 5.5).
func setHTU21(ctx context.Context, d *bus.Dev, heater byte) error {
	const write, read, resolution = 0xe6, 0xe7, 0x81
	user, err := d.U8(ctx, read)
	if err != nil {
		return err
	}
	if err := d.Write(ctx, write, user&^(resolution|htuHeater)|heater); err != nil {
		return err
	}
	if user, err = d.U8(ctx, read); err == nil && user&(resolution|htuHeater) != heater {
		err = errHeater
	}
	return err
}

// askHTU21 measures one quantity. The two low bits are status, which the makers number
// differently, and count for nothing.
func askHTU21(ctx context.Context, d *bus.Dev, cmd byte, wait time.Duration) (float64, error) {
	if err := d.Write(ctx, cmd); err != nil {
		return 0, err
	}
	if err := bus.Sleep(ctx, wait); err != nil {
		return 0, err
	}
	b, err := d.Read(ctx, 3)
	if err != nil {
		return 0, err
	}
	if want := byte(crcHTU21.Of(b[:2])); b[2] != want {
		return 0, fmt.Errorf("checksum is 0x%02x, expected 0x%02x", b[2], want)
	}
	if b[0]|b[1] == 0 { // for which zero is the right checksum
		return 0, fmt.Errorf("%w: only zeros (a data line held low?)", drivers.ErrNoAnswer)
	}
	return float64(uint16(b[0])<<8 | uint16(b[1]&^3)), nil
}
