package chips

import (
	"context"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// AM2320 measures temperature and humidity and speaks Modbus frames over I2C. Aosong
// AM2320 product manual, section 8.2.
func AM2320(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "am2320",
		Summary:   "Aosong AM2320, AM2321: temperature, humidity",
		Addresses: []uint16{0x5c},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 80), chip.Humidity()},
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		Open: func(_ context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			return func(ctx context.Context) ([]float64, error) {
				// What it answers is the measurement before, which may be long ago; asking makes
				// it measure. Two seconds later that is ready.
				if _, err := askAM2320(ctx, d); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 2*time.Second); err != nil {
					return nil, err
				}
				out, err := askAM2320(ctx, d)
				switch {
				case err != nil:
					return nil, err
				case out[0] == 0 && out[1] == 0: // as after power-on: none before
					return nil, chip.ErrNoData
				case out[1] == 0:
					return []float64{out[0], math.NaN()}, chip.Fault("humidity", errNoHumidity)
				}
				return out, nil
			}, nil
		},
	}.On(b)
}

// askAM2320 wakes the chip, which does not acknowledge that, and reads four registers.
func askAM2320(ctx context.Context, d *bus.Dev) ([]float64, error) {
	if err := d.Write(ctx, 0); err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, time.Millisecond); err != nil { // 0.8 to 3 ms
		return nil, err
	}
	if err := d.Write(ctx, 0x03, 0x00, 0x04); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil { // at least 1.5 ms
		return nil, err
	}
	b, err := d.Read(ctx, 8)
	if err != nil {
		return nil, err
	}
	return decodeAM2320(b)
}

func decodeAM2320(b []byte) ([]float64, error) {
	if b[0] != 0x03 || b[1] != 0x04 {
		return nil, fmt.Errorf("answer begins with % x, expected 03 04", b[:2])
	}
	if got, want := uint16(b[6])|uint16(b[7])<<8, uint16(crcModbus.Of(b[:6])); got != want {
		return nil, fmt.Errorf("checksum is 0x%04x, expected 0x%04x", got, want)
	}
	rh := uint16(b[2])<<8 | uint16(b[3])
	t := uint16(b[4])<<8 | uint16(b[5])
	celsius := float64(t&0x7fff) / 10
	if t&0x8000 != 0 { // sign and magnitude, not two's complement
		celsius = -celsius
	}
	return []float64{celsius, float64(rh) / 10}, nil
}
