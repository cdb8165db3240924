package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

func uvIndex() []drivers.Channel { return []drivers.Channel{{Name: "uv_index", Min: 0, Max: 25}} }

// VEML6075 measures the UV index. Registers, id and formula as in the kernel's veml6075.c,
// read: without a cover, 100 ms.
func VEML6075(b *bus.Buses) drivers.Driver {
	const (
		config, uva, uvb, visible, infrared, id = 0x00, 0x07, 0x09, 0x0a, 0x0b, 0x0c
		off, on                                 = 0x01, 0x10 // 100 ms, all the time; 0x01 after power-on
	)
	return chip.Driver[*chip.I2COptions]{
		Name:      "veml6075",
		Summary:   "Vishay VEML6075: UV index",
		Addresses: []uint16{0x10},
		Every:     10 * time.Second,
		Channels:  uvIndex(),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if is, err := d.LE16(ctx, id); err != nil {
				return nil, err
			} else if is&0xff != 0x26 {
				return nil, chip.WrongChip("veml6075", uint32(is), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				for _, v := range []byte{off, on} {
					if err := d.Write(ctx, config, v, 0); err != nil {
						return nil, err
					}
				}
				// The kernel's driver has seen up to 1.4 times the time that is set.
				if err := bus.Sleep(ctx, 170*time.Millisecond); err != nil {
					return nil, err
				}
				var v [4]float64
				for i, reg := range []byte{uva, uvb, visible, infrared} {
					raw, err := d.LE16(ctx, reg)
					if err != nil {
						return nil, err
					}
					if raw == 0xffff {
						return nil, errTooBright
					}
					v[i] = float64(raw)
				}
				if now, err := d.LE16(ctx, config); err != nil {
					return nil, err
				} else if now != on {
					return nil, chip.ErrReset
				}
				return []float64{uvVEML6075(v[0], v[1], v[2], v[3])}, nil
			}, nil
		},
	}.On(b)
}

// uvVEML6075 takes what visible light and infrared add away.
func uvVEML6075(uva, uvb, visible, infrared float64) float64 {
	a := max(uva-2.22*visible-1.33*infrared, 0)
	b := max(uvb-2.95*visible-1.74*infrared, 0)
	return (a*0.001461 + b*0.002591) / 4
}

// vemlLow is the address of the low byte, beside that of the high byte and the command.
const vemlLow = 0x38

type veml6070Options struct{ chip.I2COptions }

// Claims implements drivers.Claimer: the chip has two addresses.
func (o *veml6070Options) Claims() []drivers.Claim {
	all, other := o.I2COptions.Claims(), o.I2C
	if other.Chip == vemlLow { // which Check refuses
		return all
	}
	other.Chip = vemlLow
	return append(all, drivers.Claim{Kind: "i2c", ID: other.String(), Key: "i2c"})
}

// VEML6070 measures the UV index, with the usual 270 kΩ. Its settings cannot be read. Command,
// addresses and steps as in the kernel's veml6070.c, read.
func VEML6070(b *bus.Buses) drivers.Driver {
	return chip.Driver[*veml6070Options]{
		Name:      "veml6070",
		Summary:   "Vishay VEML6070: UV index (270 kΩ at RSET)",
		Addresses: []uint16{0x39},
		Every:     10 * time.Second,
		Channels:  uvIndex(),
		Options:   func() *veml6070Options { return &veml6070Options{} },
		Open: func(_ context.Context, d *bus.Dev, _ *veml6070Options) (chip.Read, error) {
			low := d.Beside(vemlLow)
			return func(ctx context.Context) ([]float64, error) {
				raw, err := measureVEML6070(ctx, d, low)
				if err == nil && raw == 0 {
					// Dark, or a chip that just lost its power, or nobody there: only dark says so twice, and
					// only a chip at an address of its own.
					if raw, err = measureVEML6070(ctx, d, low); err == nil {
						err = d.NotStuck(ctx)
					}
				}
				return []float64{float64(raw) * 11 / 2054}, err
			}, nil
		},
	}.On(b)
}

// measureVEML6070 measures for 125 ms. The high byte is read again: it may have carried between
// the two, and is 0 where the chip lost its power.
func measureVEML6070(ctx context.Context, d, low *bus.Dev) (uint16, error) {
	const on, off = 0x06, 0x07
	if _, err := d.Read(ctx, 1); err != nil { // the address that the user knows
		return 0, err
	}
	for _, v := range []byte{off, on} {
		if err := low.Write(ctx, v); err != nil {
			return 0, err
		}
	}
	if err := bus.Sleep(ctx, 2*140*time.Millisecond); err != nil {
		return 0, err
	}
	var b [3]byte
	for i, half := range []*bus.Dev{d, low, d} {
		got, err := half.Read(ctx, 1)
		if err != nil {
			return 0, err
		}
		b[i] = got[0]
	}
	switch {
	case b[0] == 0xff && b[1] == 0xff:
		return 0, errors.New("brighter than it can measure (or the bus reads only ones)")
	case b[0] != b[2]:
		return 0, chip.ErrReset
	}
	return uint16(b[0])<<8 | uint16(b[1]), nil
}
