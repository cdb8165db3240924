package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// Registers of BMP280 and BME280. BST-BME280-DS002 section 5.3, table 18.
const (
	bmeCalib     = 0x88 // 26 bytes: dig_T1 … dig_H1
	bmeID        = 0xd0
	bmeCalibHum  = 0xe1 // 7 bytes: dig_H2 … dig_H6
	bmeCtrlHum   = 0xf2
	bmeStatus    = 0xf3
	bmeCtrlMeas  = 0xf4
	bmeConfig    = 0xf5
	bmeData      = 0xf7 // 8 bytes: pressure, temperature, humidity
	bmeMeasuring = 0x08
	bmeUpdating  = 0x01 // calibration is being copied from the NVM
	bmeForced    = 0x01
)

// boschIDs tells apart what may sit at 0x76 and 0x77.
var boschIDs = map[uint32]string{
	0x55: "bmp180", 0x56: "bmp280", 0x57: "bmp280", 0x58: "bmp280", 0x60: "bme280", 0x61: "bme680",
}

type bmeOptions struct {
	At
	Oversampling int `toml:"oversampling" doc:"measurements that are averaged: 1, 2, 4, 8 or 16"`
}

// Check implements drivers.Checker.
func (o *bmeOptions) Check() error {
	_, err := oversampling(o.Oversampling)
	return joined(o.At.Check(), err)
}

// BME280 measures temperature, pressure and humidity.
func BME280(b *bus.Buses) drivers.Driver {
	return chip[*bmeOptions]{
		name:     "bme280",
		summary:  "Bosch BME280: temperature, pressure, humidity",
		addrs:    []uint16{0x76, 0x77},
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 85), pressure(30000, 110000), humidity()},
		options:  func() *bmeOptions { return &bmeOptions{Oversampling: 1} },
		open: func(ctx context.Context, d *bus.Dev, o *bmeOptions) (read, error) {
			return openBMx280(ctx, d, o, true)
		},
	}.driver(b)
}

// BMP280 is the BME280 without humidity.
func BMP280(b *bus.Buses) drivers.Driver {
	return chip[*bmeOptions]{
		name:     "bmp280",
		summary:  "Bosch BMP280: temperature, pressure",
		addrs:    []uint16{0x76, 0x77},
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 85), pressure(30000, 110000)},
		options:  func() *bmeOptions { return &bmeOptions{Oversampling: 1} },
		open: func(ctx context.Context, d *bus.Dev, o *bmeOptions) (read, error) {
			return openBMx280(ctx, d, o, false)
		},
	}.driver(b)
}

func openBMx280(ctx context.Context, d *bus.Dev, o *bmeOptions, humid bool) (read, error) {
	id, err := d.U8(ctx, bmeID)
	if err != nil {
		return nil, err
	}
	// 0x56 and 0x57 are samples, 0x58 mass production. BST-BMP280-DS001 section 4.3.1.
	if humid && id != 0x60 {
		return nil, wrongChip("bme280", uint32(id), boschIDs)
	} else if !humid && (id < 0x56 || id > 0x58) {
		return nil, wrongChip("bmp280", uint32(id), boschIDs)
	}
	cal, err := readBMECalibration(ctx, d, humid)
	if err != nil {
		return nil, err
	}
	osrs, err := oversampling(o.Oversampling)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]float64, error) {
		raw, err := measureBMx280(ctx, d, osrs, humid)
		if err != nil {
			return nil, err
		}
		t, fine := cal.temperature(raw.t)
		out := []float64{t, cal.pressure(raw.p, fine)}
		if humid {
			out = append(out, cal.humidity(raw.h, fine))
		}
		return out, nil
	}, nil
}

type bmeRaw struct{ p, t, h int32 }

// measureBMx280 runs one forced measurement. All settings are written each time and
// humidity's before the rest, as it takes effect only then (section 5.4.3), so a chip
// that was reset meanwhile measures what it should.
func measureBMx280(ctx context.Context, d *bus.Dev, osrs byte, humid bool) (bmeRaw, error) {
	if humid {
		if err := d.Write(ctx, bmeCtrlHum, osrs); err != nil {
			return bmeRaw{}, err
		}
	}
	meas := osrs<<5 | osrs<<2
	// No filter: it would take the first value after a reset as its past. Section 5.4.6.
	if err := d.Write(ctx, bmeConfig, 0); err != nil {
		return bmeRaw{}, err
	}
	if err := d.Write(ctx, bmeCtrlMeas, meas|bmeForced); err != nil {
		return bmeRaw{}, err
	}
	if err := awaitBMx280(ctx, d, osrs); err != nil {
		return bmeRaw{}, err
	}
	// The settings as the chip has them now: another chip, or one that was reset while
	// it measured, has not kept them.
	set, err := d.Reg(ctx, bmeCtrlHum, 4)
	if err != nil {
		return bmeRaw{}, err
	}
	if humid && set[0]&7 != osrs || set[2] != meas || set[3] != 0 {
		return bmeRaw{}, errReset
	}
	b, err := d.Reg(ctx, bmeData, 8)
	if err != nil {
		return bmeRaw{}, err
	}
	raw := bmeRaw{
		p: int32(b[0])<<12 | int32(b[1])<<4 | int32(b[2])>>4,
		t: int32(b[3])<<12 | int32(b[4])<<4 | int32(b[5])>>4,
		h: int32(b[6])<<8 | int32(b[7]),
	}
	// The values of a measurement that was not made, table 18: reset state.
	if raw.t == 0x80000 || raw.p == 0x80000 || humid && raw.h == 0x8000 {
		return bmeRaw{}, errNoData
	}
	return raw, nil
}

// awaitBMx280 waits as long as the measurement may take (section 9.1, maximum), then
// asks whether it is over.
func awaitBMx280(ctx context.Context, d *bus.Dev, osrs byte) error {
	n := time.Duration(1) << (osrs - 1)
	longest := 1250*time.Microsecond + 3*2300*time.Microsecond*n + 2*575*time.Microsecond
	if err := bus.Sleep(ctx, longest); err != nil {
		return err
	}
	for range 10 {
		s, err := d.U8(ctx, bmeStatus)
		if err != nil || s&(bmeMeasuring|bmeUpdating) == 0 {
			return err
		}
		if err := bus.Sleep(ctx, longest/4); err != nil {
			return err
		}
	}
	return errNoData
}

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
		return c, errNoCalibration
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
