package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers of the AS7341 and what its diodes are connected to are those of Adafruit's library
// (ams's example) and ESPHome's component, read.
const (
	as7Enable, as7Time, as7ID, as7Data, as7Status2, as7Gain, as7Command, as7Step = 0x80, 0x81, 0x92, 0x95, 0xa3, 0xaa, 0xaf, 0xca

	as7Power, as7Measure, as7Connect = 0x01, 0x02, 0x10 // of as7Enable
	as7Valid, as7Analog              = 0x40, 0x08       // of as7Status2: ready, and too bright for what is before the converters
	as7WriteDiodes                   = 0x10             // of as7Command

	as7Steps, as7Periods = 30, 600               // 50 ms; 1 and 1000 after power-on
	as7Full              = as7Steps * as7Periods // counts
	as7Millis            = as7Full * 2.78 / 1000 // 2.78 µs each
)

// as7341Diodes are which diode goes to which of the six converters: F1 to F4, or F5 to F8, and
// behind them all light and infrared.
var as7341Diodes = [2][20]byte{
	{0x30, 0x01, 0, 0, 0, 0x42, 0, 0, 0x50, 0, 0, 0, 0x20, 0x04, 0, 0x30, 0x01, 0x50, 0, 0x06},
	{0, 0, 0, 0x40, 0x02, 0, 0x10, 0x03, 0x50, 0x10, 0x03, 0, 0, 0, 0x24, 0, 0, 0x50, 0, 0x06},
}

var as7341Names = []string{"f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "clear", "nir"}

// AS7341 measures light in ten bands.
func AS7341(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "as7341",
		Summary:   "ams AS7341: light in eight colours, all of it, and infrared",
		Addresses: []uint16{0x39},
		Every:     10 * time.Second,
		Channels:  counts(800, as7341Names...),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, as7ID)
			if err != nil {
				return nil, err
			}
			if id>>2 != 0x09 { // below is the revision
				return nil, chip.WrongChip("as7341", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) { return readAS7341(ctx, d) }, nil
		},
	}.On(b)
}

// readAS7341 measures the first half with a gain of 16, and with more or less if that is not
// right for it; the second with what was right.
func readAS7341(ctx context.Context, d *bus.Dev) ([]float64, error) {
	code := byte(5)
	low, err := measureAS7341(ctx, d, 0, code)
	if err != nil {
		return nil, err
	}
	switch most := max(low[0], low[1], low[2], low[3], low[4], low[5]); {
	case most >= as7Full*9/10:
		code = 0
	case most < as7Full/20:
		code = 9
	}
	if code != 5 {
		if low, err = measureAS7341(ctx, d, 0, code); err != nil {
			return nil, err
		}
	}
	high, err := measureAS7341(ctx, d, 1, code)
	if err != nil {
		return nil, err
	}
	v := append(low[:4], high...)
	faults := tooBright(v, as7Full, as7341Names...)
	gain := float64(int(1)<<code) / 2
	for i := range v {
		v[i] /= gain * as7Millis // ams calls it basic counts
	}
	return v, faults
}

// measureAS7341 connects one half of the diodes and measures once.
func measureAS7341(ctx context.Context, d *bus.Dev, half int, gain byte) ([]float64, error) {
	settings := []setting{{as7Time, true, 0xff, as7Steps - 1}, {as7Step, true, 0xff, (as7Periods - 1) & 0xff}, {as7Step + 1, true, 0xff, (as7Periods - 1) >> 8}, {as7Gain, true, 0xff, uint16(gain)}}
	if err := d.Write(ctx, as7Enable, as7Power); err != nil {
		return nil, err
	}
	if err := writeSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	if err := d.Write(ctx, as7Command, as7WriteDiodes); err != nil {
		return nil, err
	}
	for reg, v := range as7341Diodes[half] {
		if err := d.Write(ctx, byte(reg), v); err != nil {
			return nil, err
		}
	}
	if err := d.Write(ctx, as7Enable, as7Power|as7Connect); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, 5*time.Millisecond); err != nil {
		return nil, err
	}
	if on, err := d.U8(ctx, as7Enable); err != nil {
		return nil, err
	} else if on != as7Power { // it takes its bit away when it is done
		return nil, chip.ErrReset
	}
	if err := d.Write(ctx, as7Enable, as7Power|as7Measure); err != nil {
		return nil, err
	}
	if err := awaitBits(ctx, d, as7Status2, as7Valid, 55*time.Millisecond); err != nil {
		return nil, err
	}
	b, err := d.Reg(ctx, as7Data, 12)
	if err != nil {
		return nil, err
	}
	v := make([]float64, 6)
	status, err := d.U8(ctx, as7Status2)
	if err != nil {
		return nil, err
	}
	for i := range v {
		v[i] = float64(uint16(b[2*i+1])<<8 | uint16(b[2*i]))
		if status&as7Analog != 0 {
			v[i] = as7Full
		}
	}
	if on, err := d.U8(ctx, as7Enable); err != nil {
		return nil, err
	} else if on != as7Power|as7Measure {
		return nil, chip.ErrReset
	}
	return v, checkSettings(ctx, d, settings)
}
