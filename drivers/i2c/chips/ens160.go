package chips

import (
	"bytes"
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// ENS160 measures volatile organic compounds. ScioSense ENS160 data sheet section 16.
func ENS160(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "ens160",
		Summary:   "ScioSense ENS160: air quality index 1 to 5, TVOC, eCO2",
		Addresses: []uint16{0x52, 0x53},
		Every:     10 * time.Second,
		Channels: []drivers.Channel{{Name: "aqi", Min: 1, Max: 5}, {Name: "tvoc", Unit: "ppb", Min: 0, Max: 65000},
			{Name: "eco2", Unit: "ppm", Min: 400, Max: 65000}},
		Options: chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, _ chip.Config) (chip.Device, error) {
			id, err := d.LE16(ctx, 0x00)
			if err != nil {
				return nil, err
			}
			if id != 0x0160 {
				return nil, chip.WrongChip("ens160", uint32(id), nil)
			}
			e := &ens160{d: d, fresh: fresh{last: time.Now(), limit: 5 * time.Second}}
			if err := d.Write(ctx, ensMode, ensStandard); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
			// It compensates for 25 °C and 50 %, whatever another program wrote: 1/64 K, 1/512 %.
			// Sections 16.2.5 and 16.2.6.
			usual := []byte{ensAir, 0x8a, 0x4a, 0x00, 0x64}
			if err := d.Write(ctx, usual...); err != nil {
				return nil, err
			}
			got, err := d.Reg(ctx, ensAir, 4)
			if err == nil && !bytes.Equal(got, usual[1:]) {
				err = chip.ErrReset
			}
			return e, err
		},
	}.On(b)
}

const (
	ensMode     = 0x10
	ensAir      = 0x13 // temperature and humidity to compensate for
	ensStandard = 0x02 // gas sensing; after power-on it is 0
	ensStatus   = 0x20 // and then the results
	ensNewData  = 0x02
	ensError    = 0x40
)

type ens160 struct {
	d *bus.Dev
	fresh
}

func (e *ens160) Poll(ctx context.Context) ([]drivers.Reading, error) {
	b, err := e.d.Reg(ctx, ensStatus, 6)
	if err != nil {
		return nil, err
	}
	mode, err := e.d.U8(ctx, ensMode)
	if err != nil {
		return nil, err
	}
	if mode != ensStandard {
		return nil, chip.ErrReset
	}
	if b[0]&ensError != 0 {
		return nil, errors.New("the chip reports an error of its own")
	}
	if b[0]&ensNewData == 0 {
		return nil, e.none()
	}
	e.last = time.Now()
	quality := drivers.Good
	switch validity := b[0] >> 2 & 3; validity { // table 29
	case 1: // warming up, for three minutes
		return nil, nil
	case 2: // its first hour ever
		quality = drivers.Uncertain
	case 3:
		return nil, errors.New("the chip says that its output is invalid")
	}
	now := time.Now()
	reading := func(channel, unit string, v float64) drivers.Reading {
		return drivers.Reading{Channel: channel, Unit: unit, Value: drivers.Number(v), Quality: quality, Time: now}
	}
	return []drivers.Reading{
		reading("aqi", "", float64(b[1]&7)),
		reading("tvoc", "ppb", float64(uint16(b[2])|uint16(b[3])<<8)),
		reading("eco2", "ppm", float64(uint16(b[4])|uint16(b[5])<<8)),
	}, nil
}
