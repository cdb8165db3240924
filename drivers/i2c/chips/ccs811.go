package chips

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// CCS811 measures volatile organic compounds. ams CC-000803 sections "Application
// registers" and "Programming guide". It holds the clock for up to a millisecond, which a
// Raspberry Pi up to 3 gets wrong at 100 kHz: slow the bus down, or use dtoverlay=i2c-gpio.
func CCS811(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      "ccs811",
		Summary:   "ams CCS811: eCO2, TVOC (stretches the clock: 10 kHz or i2c-gpio on a Pi up to 3)",
		Addresses: []uint16{0x5a, 0x5b},
		Every:     10 * time.Second,
		Channels: []drivers.Channel{{Name: "eco2", Unit: "ppm", Min: 400, Max: 29206},
			{Name: "tvoc", Unit: "ppb", Min: 0, Max: 32768}},
		Options: chip.NoReadyOptions,
		// nINT is driven low by a new sample until the result is read: "MEAS_MODE register".
		IRQ:  chip.IRQ{Ready: true},
		Open: openCCS811,
	}.On(b)
}

const (
	ccsStatus    = 0x00
	ccsMode      = 0x01
	ccsResult    = 0x02
	ccsAir       = 0x05
	ccsID        = 0x20
	ccsStart     = 0xf4
	ccsRunning   = 0x80
	ccsAppValid  = 0x10
	ccsDataReady = 0x08
	ccsError     = 0x01
	ccsZero      = 0x66 // bits that are always zero
	ccsSecond    = 0x10 // a measurement every second
	ccsInterrupt = 0x08 // of ccsMode: and the pin says so
)

func openCCS811(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions) (chip.Read, error) {
	id, err := d.U8(ctx, ccsID)
	if err != nil {
		return nil, err
	}
	if id != 0x81 {
		return nil, chip.WrongChip("ccs811", uint32(id), nil)
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
	mode := byte(ccsSecond)
	if o.IRQ != "" {
		mode |= ccsInterrupt
	}
	if err := d.Write(ctx, ccsMode, mode); err != nil {
		return nil, err
	}
	// It compensates for 50 % and 25 °C, whatever another program wrote; the register cannot
	// be read. 1/512 % and 1/512 °C above -25 °C: "ENV_DATA register".
	if err := d.Write(ctx, ccsAir, 0x64, 0x00, 0x64, 0x00); err != nil {
		return nil, err
	}
	f := &fresh{last: time.Now(), limit: 5 * time.Second}
	return func(ctx context.Context) ([]float64, error) { return readCCS811(ctx, d, mode, f) }, nil
}

func readCCS811(ctx context.Context, d *bus.Dev, want byte, f *fresh) ([]float64, error) {
	b, err := d.Reg(ctx, ccsResult, 6)
	if err != nil {
		return nil, err
	}
	mode, err := d.U8(ctx, ccsMode)
	if err != nil {
		return nil, err
	}
	switch s := b[4]; {
	case mode != want, s&ccsRunning == 0, s&ccsZero != 0:
		return nil, chip.ErrReset
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
