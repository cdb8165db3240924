package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// TSL2561 measures light in two colours. TAOS059 "Register Set".
func TSL2561(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "tsl2561",
		Summary:   "TAOS TSL2561: light",
		Addresses: []uint16{0x29, 0x39, 0x49},
		Every:     10 * time.Second,
		Channels:  light(80000),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x8a)
			if err != nil {
				return nil, err
			}
			if part := id >> 4; part != 1 && part != 5 { // CS and T package
				return nil, chip.WrongChip("tsl2561", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				// 402 ms, 16 times; if that is too bright, 13.7 ms, once.
				ch0, ch1, err := measureTSL2561(ctx, d, 0x12, 402*time.Millisecond)
				if err == nil && (ch0 > 60000 || ch1 > 60000) {
					ch0, ch1, err = measureTSL2561(ctx, d, 0x00, 13700*time.Microsecond)
					if err == nil && (ch0 >= 5047 || ch1 >= 5047) {
						err = errTooBright
					}
					// To the scale of the equations.
					ch0, ch1 = ch0*16*402/13.7, ch1*16*402/13.7
				}
				return []float64{luxTSL2561(ch0, ch1, id>>4 == 1)}, err
			}, nil
		},
	}.On(b)
}

// measureTSL2561 powers up, integrates once, and sees that the power is still on: it is
// off after a reset.
func measureTSL2561(ctx context.Context, d *bus.Dev, timing byte, takes time.Duration) (ch0, ch1 float64, err error) {
	const control, timingReg, data = 0x80, 0x81, 0x8c
	for _, set := range [][2]byte{{control, 0x00}, {timingReg, timing}, {control, 0x03}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, 0, err
		}
	}
	if err := bus.Sleep(ctx, takes*12/10); err != nil {
		return 0, 0, err
	}
	var raw [2]uint16
	for i := range raw {
		// As words, so that both bytes are of one measurement.
		if raw[i], err = d.LE16(ctx, data|0x20+byte(2*i)); err != nil {
			return 0, 0, err
		}
	}
	got, err := d.Reg(ctx, control|0x20, 2)
	if err == nil && (got[0]&0x0f != 0x03 || got[1] != timing) {
		err = chip.ErrReset
	}
	return float64(raw[0]), float64(raw[1]), err
}

// luxTSL2561: TAOS059 "Calculating Lux", by the ratio of the two colours.
func luxTSL2561(ch0, ch1 float64, cs bool) float64 {
	if ch0 == 0 {
		return 0
	}
	r := ch1 / ch0
	lux := 0.0
	switch {
	case cs && r <= 0.52:
		lux = 0.0315*ch0 - 0.0593*ch0*math.Pow(r, 1.4)
	case cs && r <= 0.65:
		lux = 0.0229*ch0 - 0.0291*ch1
	case cs && r <= 0.80:
		lux = 0.0157*ch0 - 0.0180*ch1
	case cs && r <= 1.30:
		lux = 0.00338*ch0 - 0.00260*ch1
	case cs:
	case r <= 0.50:
		lux = 0.0304*ch0 - 0.062*ch0*math.Pow(r, 1.4)
	case r <= 0.61:
		lux = 0.0224*ch0 - 0.031*ch1
	case r <= 0.80:
		lux = 0.0128*ch0 - 0.0153*ch1
	case r <= 1.30:
		lux = 0.00146*ch0 - 0.00112*ch1
	}
	return max(lux, 0)
}
