package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// TMP102 is TI's small thermometer. SBOS397.
func TMP102(b *bus.Buses) drivers.Driver {
	return tmp102(b, "tmp102", "TI TMP102: temperature")
}

// TMP112 is a better TMP102. SBOS473.
func TMP112(b *bus.Buses) drivers.Driver {
	return tmp102(b, "tmp112", "TI TMP112: temperature within 0.5 °C")
}

// tmp102 measures once each time it is asked.
func tmp102(b *bus.Buses, name, summary string) drivers.Driver {
	return chip[*At]{
		name:     name,
		summary:  summary,
		addrs:    span(0x48, 0x4b),
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-55, 128)},
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			// Shut down between the measurements, so that a chip that comes back after a power
			// dip, converting on its own, is told from ours. Section 6.5.3.
			const shutdown, oneShot = 0x0100, 0x8000
			const config = 0x6080 | shutdown
			// The alert bit (5) follows the temperature.
			const compared = 0x7fc0
			if err := d.Write16(ctx, 0x01, config); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				if err := d.Write16(ctx, 0x01, config|oneShot); err != nil {
					return nil, err
				}
				// At most 35 ms: section 5.5.
				for range 4 {
					if err := bus.Sleep(ctx, 36*time.Millisecond); err != nil {
						return nil, err
					}
					got, err := d.U16(ctx, 0x01)
					switch {
					case err != nil:
						return nil, err
					case (got^config)&compared != 0:
						return nil, errReset
					case got&oneShot != 0: // reads one when it is over
						return readLM75(ctx, d, config, compared, 0xfff0)
					}
				}
				return nil, errNoData
			}, nil
		},
	}.driver(b)
}

// readLM75 reads the temperature and then sees that the chip is still the one that was
// set up. The number is left-adjusted, 1/256 °C; mask are its valid bits.
func readLM75(ctx context.Context, d *bus.Dev, config, compared, mask uint16) ([]float64, error) {
	raw, err := d.U16(ctx, 0x00)
	if err != nil {
		return nil, err
	}
	got, err := d.U16(ctx, 0x01)
	if err != nil {
		return nil, err
	}
	if (got^config)&compared != 0 {
		return nil, errReset
	}
	return []float64{float64(int16(raw&mask)) / 256}, nil
}

type lm75Options struct {
	At
	Bits int `toml:"bits" doc:"resolution of the chip: LM75 9, LM75A and LM75B 11, TMP75 and TMP175 12"`
}

// Check implements drivers.Checker.
func (o *lm75Options) Check() error {
	var err error
	if o.Bits < 9 || o.Bits > 12 {
		err = &drivers.KeyError{Key: "bits", Problem: fmt.Sprintf("found %d", o.Bits), Expected: "9 to 12"}
	}
	return joined(o.At.Check(), err)
}

// LM75 is the LM75 and what copies it.
func LM75(b *bus.Buses) drivers.Driver {
	return lm75(b, "lm75", "NS/TI/NXP LM75, LM75A, LM75B, DS75 and copies: temperature", 9)
}

// TMP75 is TI's LM75 with 12 bits. SBOS288.
func TMP75(b *bus.Buses) drivers.Driver {
	return lm75(b, "tmp75", "TI TMP75, TMP175, TMP275: temperature", 12)
}

// lm75 converts all the time: LM75, LM75A, LM75B, TMP75, TMP175, DS75 and many copies.
// They have neither an id nor a way to tell that they were reset, so we leave a mark in
// their hysteresis register: half a degree below what it is after power-on. SNIS153
// section 7.6.
func lm75(b *bus.Buses, name, summary string, bits int) drivers.Driver {
	return chip[*lm75Options]{
		name:     name,
		summary:  summary,
		addrs:    span(0x48, 0x4f),
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-55, 128)},
		options:  func() *lm75Options { return &lm75Options{Bits: bits} },
		open: func(ctx context.Context, d *bus.Dev, o *lm75Options) (read, error) {
			const hysteresis, mark = 0x02, 0x4a80 // 74.5 °C
			if o.Bits == 12 {
				// The TMP75 starts with 9 bits. SBOS288 section 6.5.3, R1 and R0.
				if err := d.Write(ctx, 0x01, 0x60); err != nil {
					return nil, err
				}
			}
			if err := d.Write16(ctx, hysteresis, mark); err != nil {
				return nil, err
			}
			// The first conversion after power-on, of 12 bits, takes at most 300 ms.
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			valid := uint16(0xffff) << (16 - o.Bits)
			return marked(d, 0x00, hysteresis, 0xff80, mark, func(raw uint16) float64 {
				return float64(int16(raw&valid)) / 256
			}), nil
		},
	}.driver(b)
}

// marked reads the register temp of a chip that converts on its own, and then sees that
// the mark is still there that we left in another register.
func marked(d *bus.Dev, temp, markReg byte, mask, mark uint16, celsius func(raw uint16) float64) read {
	return func(ctx context.Context) ([]float64, error) {
		raw, err := d.U16(ctx, temp)
		if err != nil {
			return nil, err
		}
		got, err := d.U16(ctx, markReg)
		if err != nil {
			return nil, err
		}
		if got&mask != mark {
			return nil, errReset
		}
		return []float64{celsius(raw)}, nil
	}
}

// TMP117 measures within 0.1 °C. SNOSD82 section 7.6.
func TMP117(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "tmp117",
		summary:  "TI TMP117, TMP119: temperature within 0.1 °C",
		addrs:    span(0x48, 0x4b),
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-55, 150)},
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			id, err := d.U16(ctx, 0x0f)
			if err != nil {
				return nil, err
			}
			if id&0x0fff != 0x0117 && id&0x0fff != 0x0119 { // above is the revision
				return nil, wrongChip("tmp117", uint32(id), nil)
			}
			return readTMP117(d), nil
		},
	}.driver(b)
}

func readTMP117(d *bus.Dev) read {
	const (
		mode, oneShot, shutdown = 0x0c00, 0x0c00, 0x0400
		average8                = 0x0020
		dataReady               = 0x2000
	)
	return func(ctx context.Context) ([]float64, error) {
		if err := d.Write16(ctx, 0x01, oneShot|average8); err != nil {
			return nil, err
		}
		wait := 130 * time.Millisecond // table 7-7: 125 ms, ±10 %
		for range 8 {
			if err := bus.Sleep(ctx, wait); err != nil {
				return nil, err
			}
			got, err := d.U16(ctx, 0x01)
			if err != nil {
				return nil, err
			}
			if got&mode == 0 || got&0x0060 != average8 { // continuous again, as after power-on
				return nil, errReset
			}
			if got&dataReady == 0 {
				wait = 20 * time.Millisecond
				continue
			}
			raw, err := d.U16(ctx, 0x00)
			if err == nil && raw == 0x8000 { // what it holds until the first conversion
				err = errNoData
			}
			return []float64{float64(int16(raw)) / 128}, err
		}
		return nil, errNoData
	}
}
