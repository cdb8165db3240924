package chips

import (
	"context"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
)

// ADXL345 measures acceleration up to ±16 g. Data sheet Rev. E "Register map".
func ADXL345(b *bus.Buses, s *spibus.Buses) drivers.Driver {
	return chip.Driver[*motionEitherOptions]{
		Name:      "adxl345",
		Summary:   "Analog Devices ADXL345: vibration (RMS and peak over a window), tilt",
		Addresses: []uint16{0x53, 0x1d},
		Every:     10 * time.Second,
		Channels:  motionChannels(16),
		Options:   motionEitherDefaults,
		// Mode 3, which is CPOL and CPHA 1; four wires: bit 6 of DATA_FORMAT. "SPI".
		SPI: &chip.SPI{Mode: spi.Mode3, Hertz: 5_000_000, Read: 0x80, Burst: 0x40, First: [][]byte{{0x31, 0}}, ID: 0x00},
		Open: func(ctx context.Context, d *bus.Dev, o *motionEitherOptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x00)
			if err != nil {
				return nil, err
			}
			if id != 0xe5 {
				return nil, chip.WrongChip("adxl345", uint32(id), nil)
			}
			// Standby first. No offsets and no FIFO, which another program may have left; 100 Hz with
			// normal power; full resolution, ±16 g, not the self-test.
			settings := [][2]byte{{0x1e, 0}, {0x1f, 0}, {0x20, 0}, {0x2c, 0x0a}, {0x38, 0}, {0x31, 0x0b}, {0x2d, 0x08}}
			for _, set := range append([][2]byte{{0x2d, 0}}, settings...) {
				if err := d.Write(ctx, set[0], set[1]); err != nil {
					return nil, err
				}
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				samples, err := listen(ctx, o.Window, func(ctx context.Context) (v acceleration, err error) {
					b, err := d.Reg(ctx, 0x32, 6) // low byte first; 256 counts are 1 g
					for i := range v {
						v[i] = float64(int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)) / 256 * gravity
					}
					return v, err
				})
				if err != nil {
					return nil, err
				}
				for _, set := range settings {
					if got, err := d.U8(ctx, set[0]); err != nil {
						return nil, err
					} else if got != set[1] {
						return nil, chip.ErrReset
					}
				}
				return shaking(samples), nil
			}, nil
		},
	}.OnEither(b, s)
}
