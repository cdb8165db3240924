package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// BMP180 measures temperature and pressure. BST-BMP180-DS000 section 3.
func BMP180(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "bmp180",
		Summary:   "Bosch BMP180: temperature, pressure",
		Addresses: []uint16{0x77},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 110000)},
		Needs:     chip.Need("temperature", "pressure"),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, bmeID)
			if err != nil {
				return nil, err
			}
			if id != 0x55 {
				return nil, chip.WrongChip("bmp180", uint32(id), boschIDs)
			}
			b, err := d.Reg(ctx, 0xaa, 22)
			if err != nil {
				return nil, err
			}
			cal, err := decodeBMP180(b)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				const oversampling = 3 // eight samples
				ut, err := measureBMP180(ctx, d, 0x2e, 5*time.Millisecond)
				if err != nil {
					return nil, err
				}
				up, err := measureBMP180(ctx, d, 0x34|oversampling<<6, 26*time.Millisecond)
				if err != nil {
					return nil, err
				}
				t, p := cal.compensate(int32(ut>>8), int32(up>>(8-oversampling)), oversampling)
				return []float64{t, p}, nil
			}, nil
		},
	}.On(b)
}

// measureBMP180 starts a conversion and waits until the chip says that it is over: bit 5
// of the control register. The result is left-adjusted in 24 bits. The register holds
// the command until then, and something else after a reset.
func measureBMP180(ctx context.Context, d *bus.Dev, cmd byte, takes time.Duration) (uint32, error) {
	const control, start, result = 0xf4, 0x20, 0xf6
	if err := d.Write(ctx, control, cmd); err != nil {
		return 0, err
	}
	for range 4 {
		if err := bus.Sleep(ctx, takes); err != nil {
			return 0, err
		}
		c, err := d.U8(ctx, control)
		switch {
		case err != nil:
			return 0, err
		case c&^start != cmd&^start:
			return 0, chip.ErrReset
		case c&start != 0:
			continue
		}
		b, err := d.Reg(ctx, result, 3)
		if err != nil {
			return 0, err
		}
		// Once more: a dip between the two would have left the reset value, 0x800000.
		if c, err = d.U8(ctx, control); err != nil {
			return 0, err
		} else if c != cmd&^start {
			return 0, chip.ErrReset
		}
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), nil
	}
	return 0, chip.ErrNoData
}

type bmp180Calibration struct {
	ac1, ac2, ac3      int16
	ac4, ac5, ac6      uint16
	b1, b2, mb, mc, md int16
}

// decodeBMP180: none of the coefficients may be 0 or 0xffff. Section 3.4.
func decodeBMP180(b []byte) (c bmp180Calibration, err error) {
	var v [11]uint16
	for i := range v {
		v[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		if v[i] == 0 || v[i] == 0xffff {
			return c, chip.ErrNoCalibration
		}
	}
	s := func(i int) int16 { return int16(v[i]) }
	return bmp180Calibration{s(0), s(1), s(2), v[3], v[4], v[5], s(6), s(7), s(8), s(9), s(10)}, nil
}

// compensate returns °C and Pa. Section 3.5, figure 4, in whole numbers as there; wider,
// so that nothing overflows.
func (c *bmp180Calibration) compensate(ut, up int32, oss uint) (celsius, pascal float64) {
	x1 := (int64(ut) - int64(c.ac6)) * int64(c.ac5) >> 15
	if x1+int64(c.md) == 0 {
		return -273, 0 // out of range, and no division by zero
	}
	x2 := int64(c.mc) << 11 / (x1 + int64(c.md))
	b5 := x1 + x2
	t := (b5 + 8) >> 4

	b6 := b5 - 4000
	x1 = int64(c.b2) * (b6 * b6 >> 12) >> 11
	x2 = int64(c.ac2) * b6 >> 11
	b3 := ((int64(c.ac1)*4+x1+x2)<<oss + 2) / 4
	x1 = int64(c.ac3) * b6 >> 13
	x2 = int64(c.b1) * (b6 * b6 >> 12) >> 16
	b4 := int64(c.ac4) * ((x1+x2+2)>>2 + 32768) >> 15
	if b4 == 0 {
		return -273, 0
	}
	p := (int64(up) - b3) * (50000 >> oss) * 2 / b4
	x1 = (p >> 8) * (p >> 8) * 3038 >> 16
	x2 = -7357 * p >> 16
	return float64(t) / 10, float64(p + (x1+x2+3791)>>4)
}
