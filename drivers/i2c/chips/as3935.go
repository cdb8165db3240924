package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

type as3935Options struct {
	chip.InterruptOptions
	Place   string `toml:"place" example:"\"outdoor\"" doc:"The antenna's gain: indoor or outdoor."`
	Tuning  int    `toml:"tuning" example:"7" doc:"Capacitors of the antenna, 0 to 15: printed on the module or its bag."`
	Noise   int    `toml:"noise_level" example:"4" doc:"The noise floor, 0 (sensitive) to 7."`
	Strikes int    `toml:"strikes" example:"5" doc:"Strikes within 15 minutes before the first is reported: 1, 5, 9 or 16."`
}

var as3935Strikes = map[int]byte{1: 0, 5: 1, 9: 2, 16: 3}

// Check implements drivers.Checker.
func (o *as3935Options) Check() error {
	errs := []error{o.I2COptions.Check()}
	bad := func(key string, found any, expected string) {
		errs = append(errs, &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %v", found), Expected: expected})
	}
	if o.Place != "indoor" && o.Place != "outdoor" {
		bad("place", o.Place, "indoor or outdoor")
	}
	if o.Tuning < 0 || o.Tuning > 15 {
		bad("tuning", o.Tuning, "0 to 15")
	}
	if o.Noise < 0 || o.Noise > 7 {
		bad("noise_level", o.Noise, "0 to 7")
	}
	if _, ok := as3935Strikes[o.Strikes]; !ok {
		bad("strikes", o.Strikes, "1, 5, 9 or 16")
	}
	return chip.JoinErrors(errs...)
}

// AS3935 reports lightning. It is asked every second, or when its interrupt line says so;
// strikes before it was asked count as one. Its reason may be read 2 ms after the line rose:
// "Interrupt management". ams AS3935 v1.2, "Register table".
func AS3935(b *bus.Buses) drivers.Driver {
	return chip.Driver[*as3935Options]{
		Name:      "as3935",
		Summary:   "ams AS3935: lightning, with its distance",
		Addresses: []uint16{0x03, 0x02, 0x01},
		Every:     time.Second,
		IRQ:       chip.IRQ{High: true, Settle: 2 * time.Millisecond},
		Channels: []drivers.Channel{
			{Name: "distance", Unit: "km", Kind: drivers.Event, Min: 0, Max: 63},
			{Name: "energy", Kind: drivers.Event, Min: 0, Max: 1<<21 - 1},
		},
		Options: func() *as3935Options { return &as3935Options{Place: "indoor", Noise: 2, Strikes: 1} },
		Open:    openAS3935,
	}.On(b)
}

const (
	asMaskDisturbers = 0x20 // in 0x03; off after power-on, so it shows that we set the chip up
	asTuning         = 0x08
	asShowSRCO       = 0x20 // in asTuning
	asCalibrated     = 0x3a // and 0x3b: how the calibration of TRCO and SRCO went
	asCalibDone      = 0x80
	asCalibFailed    = 0x40
	asPreset         = 0x3c
	asCalibrate      = 0x3d
	asDirect         = 0x96
	asOutOfRange     = 0x3f
)

func openAS3935(ctx context.Context, d *bus.Dev, o *as3935Options) (chip.Read, error) {
	gain := byte(0x12 << 1)
	if o.Place == "outdoor" {
		gain = 0x0e << 1
	}
	for _, set := range [][2]byte{
		{asPreset, asDirect},
		{0x00, gain},
		{0x01, byte(o.Noise)<<4 | 2}, // watchdog threshold 2, as after power-on
		{0x02, 0x80 | as3935Strikes[o.Strikes]<<4 | 0x2}, // spike rejection 2; bit 7 reads as one
		{asTuning, byte(o.Tuning)},
		// Calibrate both oscillators: the second one by showing it for 2 ms on the interrupt
		// pin. Data sheet "RCO calibration"; Linux's as3935.c does the same.
		{asCalibrate, asDirect},
		{asTuning, byte(o.Tuning) | asShowSRCO},
		{asTuning, byte(o.Tuning)},
		{0x03, asMaskDisturbers},
	} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	for reg, name := range [2]string{"TRCO", "SRCO"} {
		result, err := d.U8(ctx, asCalibrated+byte(reg))
		if err != nil {
			return nil, err
		}
		if result&asCalibDone == 0 || result&asCalibFailed != 0 {
			return nil, fmt.Errorf("the calibration of its oscillator %s failed (0x%02x; tuning as printed on the module?)", name, result)
		}
	}
	return func(ctx context.Context) ([]float64, error) {
		b, err := d.Reg(ctx, 0x00, 9)
		if err != nil {
			return nil, err
		}
		if b[0] != gain || b[3]&asMaskDisturbers == 0 || b[8] != byte(o.Tuning) {
			return nil, chip.ErrReset
		}
		switch b[3] & 0x0f {
		case 0x08:
			return strike(b), nil
		case 0x01:
			return nil, errors.New("too much noise to hear lightning (try: noise_level one higher, or another place)")
		}
		return nil, nil
	}, nil
}

// strike returns distance and energy, a number without a unit. A distance beyond what the
// chip can measure is no value.
func strike(b []byte) []float64 {
	energy := float64(uint32(b[6]&0x1f)<<16 | uint32(b[5])<<8 | uint32(b[4]))
	if distance := b[7] & 0x3f; distance != asOutOfRange {
		return []float64{float64(distance), energy}
	}
	return []float64{math.NaN(), energy}
}
