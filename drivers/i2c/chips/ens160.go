package chips

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// ENS160 measures volatile organic compounds. ScioSense ENS160 data sheet section 16.
func ENS160(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:    "ens160",
		summary: "ScioSense ENS160: air quality index 1 to 5, TVOC, eCO2",
		addrs:   []uint16{0x52, 0x53},
		every:   10 * time.Second,
		channels: []drivers.Channel{{Name: "aqi", Min: 1, Max: 5}, {Name: "tvoc", Unit: "ppb", Min: 0, Max: 65000},
			{Name: "eco2", Unit: "ppm", Min: 400, Max: 65000}},
		options: plain,
		device: func(ctx context.Context, d *bus.Dev, _ *At, _ site) (device, error) {
			id, err := d.LE16(ctx, 0x00)
			if err != nil {
				return nil, err
			}
			if id != 0x0160 {
				return nil, wrongChip("ens160", uint32(id), nil)
			}
			e := &ens160{d: d, fresh: fresh{last: time.Now(), limit: 5 * time.Second}}
			if err := d.Write(ctx, ensMode, ensStandard); err != nil {
				return nil, err
			}
			return e, bus.Sleep(ctx, 50*time.Millisecond)
		},
	}.driver(b)
}

const (
	ensMode     = 0x10
	ensStandard = 0x02 // gas sensing; after power-on it is 0
	ensStatus   = 0x20 // and then the results
	ensNewData  = 0x02
	ensError    = 0x40
)

type ens160 struct {
	d *bus.Dev
	fresh
}

func (e *ens160) poll(ctx context.Context) ([]drivers.Reading, error) {
	b, err := e.d.Reg(ctx, ensStatus, 6)
	if err != nil {
		return nil, err
	}
	mode, err := e.d.U8(ctx, ensMode)
	if err != nil {
		return nil, err
	}
	if mode != ensStandard {
		return nil, errReset
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

// CCS811 measures volatile organic compounds. ams CC-000803 sections "Application
// registers" and "Programming guide". It holds the clock for up to a millisecond, which a
// Raspberry Pi up to 3 gets wrong at 100 kHz: slow the bus down, or use dtoverlay=i2c-gpio.
func CCS811(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:    "ccs811",
		summary: "ams CCS811: eCO2, TVOC (stretches the clock: 10 kHz or i2c-gpio on a Pi up to 3)",
		addrs:   []uint16{0x5a, 0x5b},
		every:   10 * time.Second,
		channels: []drivers.Channel{{Name: "eco2", Unit: "ppm", Min: 400, Max: 29206},
			{Name: "tvoc", Unit: "ppb", Min: 0, Max: 32768}},
		options: plain,
		open:    openCCS811,
	}.driver(b)
}

const (
	ccsStatus    = 0x00
	ccsMode      = 0x01
	ccsResult    = 0x02
	ccsID        = 0x20
	ccsStart     = 0xf4
	ccsRunning   = 0x80
	ccsAppValid  = 0x10
	ccsDataReady = 0x08
	ccsError     = 0x01
	ccsZero      = 0x66 // bits that are always zero
	ccsSecond    = 0x10 // a measurement every second
)

func openCCS811(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
	id, err := d.U8(ctx, ccsID)
	if err != nil {
		return nil, err
	}
	if id != 0x81 {
		return nil, wrongChip("ccs811", uint32(id), nil)
	}
	s, err := d.U8(ctx, ccsStatus)
	if err != nil {
		return nil, err
	}
	if s&ccsAppValid == 0 {
		return nil, errors.New("the chip has no firmware")
	}
	if s&ccsRunning == 0 { // still in its boot loader
		if err := d.Write(ctx, ccsStart); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := d.Write(ctx, ccsMode, ccsSecond); err != nil {
		return nil, err
	}
	f := &fresh{last: time.Now(), limit: 5 * time.Second}
	return func(ctx context.Context) ([]float64, error) { return readCCS811(ctx, d, f) }, nil
}

func readCCS811(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	b, err := d.Reg(ctx, ccsResult, 6)
	if err != nil {
		return nil, err
	}
	mode, err := d.U8(ctx, ccsMode)
	if err != nil {
		return nil, err
	}
	switch s := b[4]; {
	case mode != ccsSecond, s&ccsRunning == 0, s&ccsZero != 0:
		return nil, errReset
	case s&ccsError != 0:
		return nil, fmt.Errorf("the chip reports error 0x%02x", b[5])
	case s&ccsDataReady == 0:
		return nil, f.none()
	}
	f.last = time.Now()
	eco2, tvoc := uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])
	if eco2 == 0 { // the first one after a start
		return nil, nil
	}
	return []float64{float64(eco2), float64(tvoc)}, nil
}
