package chips

import (
	"context"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// bmeCalibration are the chip's own coefficients. Section 4.2.2, table 16.
type bmeCalibration struct {
	t1, p1                         uint16
	t2, t3                         int16
	p2, p3, p4, p5, p6, p7, p8, p9 int16
	h1, h3                         uint8
	h2, h4, h5                     int16
	h6                             int8
}

func readBMECalibration(ctx context.Context, d *bus.Dev, humid bool) (bmeCalibration, error) {
	// Right after power-on the chip still copies them. Section 5.4.4, im_update.
	if err := awaitBMx280(ctx, d, 1); err != nil {
		return bmeCalibration{}, err
	}
	b, err := d.Reg(ctx, bmeCalib, 26)
	if err != nil {
		return bmeCalibration{}, err
	}
	var h []byte
	if humid {
		if h, err = d.Reg(ctx, bmeCalibHum, 7); err != nil {
			return bmeCalibration{}, err
		}
	}
	c := decodeBMECalibration(b, h)
	if c.t1 == 0 || c.p1 == 0 || c.t1 == 0xffff && c.p1 == 0xffff {
		return c, chip.ErrNoCalibration
	}
	return c, nil
}

func decodeBMECalibration(b, h []byte) bmeCalibration {
	u := func(i int) uint16 { return uint16(b[i]) | uint16(b[i+1])<<8 }
	s := func(i int) int16 { return int16(u(i)) }
	c := bmeCalibration{
		t1: u(0), t2: s(2), t3: s(4),
		p1: u(6), p2: s(8), p3: s(10), p4: s(12), p5: s(14), p6: s(16), p7: s(18), p8: s(20), p9: s(22),
		h1: b[25],
	}
	if len(h) == 7 {
		c.h2 = int16(uint16(h[0]) | uint16(h[1])<<8)
		c.h3 = h[2]
		// Two signed 12-bit numbers share 0xe5; the upper byte carries the sign.
		c.h4 = int16(int8(h[3]))<<4 | int16(h[4]&0x0f)
		c.h5 = int16(int8(h[5]))<<4 | int16(h[4]>>4)
		c.h6 = int8(h[6])
	}
	return c
}

// temperature in °C, and t_fine for the others. BST-BME280-DS002 appendix 8.1 (double).
func (c *bmeCalibration) temperature(raw int32) (celsius, fine float64) {
	a := float64(raw)
	v1 := (a/16384 - float64(c.t1)/1024) * float64(c.t2)
	v2 := a/131072 - float64(c.t1)/8192
	fine = v1 + v2*v2*float64(c.t3)
	return fine / 5120, fine
}

// pressure in Pa.
func (c *bmeCalibration) pressure(raw int32, fine float64) float64 {
	v1 := fine/2 - 64000
	v2 := v1 * v1 * float64(c.p6) / 32768
	v2 += v1 * float64(c.p5) * 2
	v2 = v2/4 + float64(c.p4)*65536
	v1 = (float64(c.p3)*v1*v1/524288 + float64(c.p2)*v1) / 524288
	v1 = (1 + v1/32768) * float64(c.p1)
	if v1 == 0 {
		return 0 // out of range, and no division by zero
	}
	p := (1048576 - float64(raw) - v2/4096) * 6250 / v1
	v1 = float64(c.p9) * p * p / 2147483648
	v2 = p * float64(c.p8) / 32768
	return p + (v1+v2+float64(c.p7))/16
}

// humidity in %RH, held to 0 to 100 as the data sheet does: condensation and dry air
// bring the raw number beyond.
func (c *bmeCalibration) humidity(raw int32, fine float64) float64 {
	x := fine - 76800
	x = (float64(raw) - (float64(c.h4)*64 + float64(c.h5)/16384*x)) *
		(float64(c.h2) / 65536 * (1 + float64(c.h6)/67108864*x*(1+float64(c.h3)/67108864*x)))
	x *= 1 - float64(c.h1)*x/524288
	return min(max(x, 0), 100)
}
