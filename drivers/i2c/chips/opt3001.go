package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// OPT3001 measures light as the eye sees it. Registers, ids, time and formula as in the
// kernel's opt3001.c and RIOT's driver, read.
func OPT3001(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "opt3001",
		Summary:   "TI OPT3001: light",
		Addresses: chip.Span(0x44, 0x47),
		Every:     10 * time.Second,
		Channels:  light(84000),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := checkTIIDs(ctx, d, "opt3001", 0x7e, 0x7f, 0x3001); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) { return readOPT3001(ctx, d) }, nil
		},
	}.On(b)
}

// Registers and bits of the OPT3001.
const (
	optResult, optConfig = 0x00, 0x01
	// The range is found by itself, 800 ms, once. The latch (bit 4) is on after power-on and
	// not used, so that it is off shows that this was written.
	optShot = 0xca00
	optKept = 0xf810 // range, time and latch; the mode falls back to off, and bits 8 to 5 are flags
	optDone = 0x0080
	optOver = 0x0100
)

// readOPT3001 measures once. Reading the configuration takes the flags away.
func readOPT3001(ctx context.Context, d *bus.Dev) ([]float64, error) {
	if err := d.Write16(ctx, optConfig, optShot); err != nil {
		return nil, err
	}
	var flags uint16
	wait := 880 * time.Millisecond // 800 ms and a tenth
	for range 6 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		var err error
		if flags, err = d.U16(ctx, optConfig); err != nil {
			return nil, err
		}
		if flags&optDone != 0 {
			break
		}
		wait = 50 * time.Millisecond
	}
	raw, err := d.U16(ctx, optResult)
	if err != nil {
		return nil, err
	}
	got, err := d.U16(ctx, optConfig)
	switch {
	case err != nil:
		return nil, err
	case (flags^optShot)&optKept != 0, (got^optShot)&optKept != 0:
		return nil, chip.ErrReset
	case flags&optDone == 0:
		return nil, chip.ErrNoData
	case flags&optOver != 0:
		return nil, errTooBright
	}
	return []float64{0.01 * float64(uint32(raw&0x0fff)<<(raw>>12))}, nil
}
