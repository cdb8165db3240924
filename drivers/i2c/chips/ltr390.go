package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// LTR390 measures light and ultraviolet, one after the other. LTR-390UV-01 data sheet
// rev. 1.4, register set.
func LTR390(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "ltr390",
		Summary:   "Lite-On LTR390: light, UV index",
		Addresses: []uint16{0x53},
		Every:     10 * time.Second,
		Channels:  light(180000, drivers.Channel{Name: "uv_index", Min: 0, Max: 20}),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x06)
			if err != nil {
				return nil, err
			}
			if id>>4 != 0x0b { // below is the revision
				return nil, chip.WrongChip("ltr390", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				lux, err := lightLTR390(ctx, d)
				if _, single := drivers.ChannelFaults(err); !single {
					return nil, err
				}
				// Ultraviolet: gain 18, 20 bits in 400 ms, for which 2300 counts are one unit.
				uvs, failed := measureLTR390(ctx, d, 0x0a, 0x04, 0x04, 0x10, 400*time.Millisecond)
				if failed != nil {
					return nil, failed
				}
				return []float64{lux, uvs / 2300}, err
			}, nil
		},
	}.On(b)
}

// lightLTR390 measures light: gain 3, 18 bits in 100 ms, or gain 1 in the sun. Lux is
// 0.6 × counts / (gain × time in units of 100 ms).
func lightLTR390(ctx context.Context, d *bus.Dev) (float64, error) {
	const full = 1<<18 - 1
	for _, gain := range []struct {
		code byte
		by   float64
	}{{0x01, 3}, {0x00, 1}} {
		als, err := measureLTR390(ctx, d, 0x02, 0x22, gain.code, 0x0d, 100*time.Millisecond)
		if err != nil || als < full {
			return 0.6 * als / gain.by, err
		}
	}
	return math.NaN(), chip.Fault("illuminance", errTooBright)
}

// measureLTR390 sets mode, resolution and gain, waits for a measurement, reads, and sees
// that the mode is still on: it is off after a reset.
func measureLTR390(ctx context.Context, d *bus.Dev, mode, rate, gain, data byte, takes time.Duration) (float64, error) {
	const control, rateReg, gainReg, status, ready = 0x00, 0x04, 0x05, 0x07, 0x08
	for _, set := range [][2]byte{{control, 0x00}, {rateReg, rate}, {gainReg, gain}, {control, mode}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, err
		}
	}
	// Reading the status clears what was ready before.
	if _, err := d.U8(ctx, status); err != nil {
		return 0, err
	}
	wait := takes * 12 / 10
	for range 6 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return 0, err
		}
		s, err := d.U8(ctx, status)
		if err != nil {
			return 0, err
		}
		if s&ready == 0 {
			wait = takes / 4
			continue
		}
		b, err := d.Reg(ctx, data, 3)
		if err != nil {
			return 0, err
		}
		got, err := d.Reg(ctx, control, 6)
		if err == nil && (got[0] != mode || got[4] != rate || got[5] != gain) {
			err = chip.ErrReset
		}
		return float64(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2]&0x0f)<<16), err
	}
	return 0, chip.ErrNoData
}
