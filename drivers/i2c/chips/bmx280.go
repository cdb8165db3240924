package chips

import (
	"context"
	"time"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
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

func openBMx280(ctx context.Context, d *bus.Dev, o *bmeOptions, humid bool) (chip.Read, error) {
	id, err := d.U8(ctx, bmeID)
	if err != nil {
		return nil, err
	}
	// 0x56 and 0x57 are samples, 0x58 mass production. BST-BMP280-DS001 section 4.3.1.
	if humid && id != 0x60 {
		return nil, chip.WrongChip("bme280", uint32(id), boschIDs)
	} else if !humid && (id < 0x56 || id > 0x58) {
		return nil, chip.WrongChip("bmp280", uint32(id), boschIDs)
	}
	// Asleep: another program may have left it measuring on its own, when it may ignore
	// settings. Section 5.4.6.
	if err := d.Write(ctx, bmeCtrlMeas, 0); err != nil {
		return nil, err
	}
	cal, err := readBMECalibration(ctx, d, humid)
	if err != nil {
		return nil, err
	}
	osrs, err := boschOversampling(o.Oversampling)
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
		return bmeRaw{}, chip.ErrReset
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
		return bmeRaw{}, chip.ErrNoData
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
	return chip.ErrNoData
}
