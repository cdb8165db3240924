package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// errField is a field that the range has no room for: a magnet beside the chip.
var errField = errors.New("the magnetic field is beyond the range (a magnet, or iron, beside the chip?)")

// fieldChannels are those of a compass, up to so many µT. The field of the earth has 25 to 65.
func fieldChannels(most float64) []drivers.Channel {
	var all []drivers.Channel
	for _, axis := range []string{"x", "y", "z"} {
		all = append(all, drivers.Channel{Name: axis, Unit: "µT", Min: -most, Max: most})
	}
	return all
}

// HMC5883L measures the magnetic field up to 130 µT. Registers, id and step as in ESPHome's
// component, read.
func HMC5883L(b *bus.Buses) drivers.Driver {
	const (
		mode, data, status, id = 0x02, 0x03, 0x09, 0x0a
		once, ready            = 0x01, 0x01
	)
	// The mean of eight, where after power-on there is no mean; 0.92 mG a step.
	settings := []setting{{0x00, true, 0xff, 0x70}, {0x01, true, 0xff, 0x20}}
	return chip.Driver[*chip.I2COptions]{
		Name:      "hmc5883l",
		Summary:   "Honeywell HMC5883L: magnetic field",
		Addresses: []uint16{0x1e},
		Every:     10 * time.Second,
		Channels:  fieldChannels(200),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			who, err := d.Reg(ctx, id, 3)
			if err != nil {
				return nil, err
			}
			if string(who) != "H43" {
				return nil, chip.WrongChip("hmc5883l", uint32(who[0])<<16|uint32(who[1])<<8|uint32(who[2]), nil)
			}
			if err := writeSettings(ctx, d, settings); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				if _, err := d.Reg(ctx, data, 6); err != nil { // so that what is ready is what follows
					return nil, err
				}
				if err := d.Write(ctx, mode, once); err != nil {
					return nil, err
				}
				if err := awaitBits(ctx, d, status, ready, 20*time.Millisecond); err != nil {
					return nil, err
				}
				b, err := d.Reg(ctx, data, 6) // x, z, y, high byte first
				if err != nil {
					return nil, err
				}
				if err := checkSettings(ctx, d, settings); err != nil {
					return nil, err
				}
				var out [3]float64
				for i, at := range []int{0, 4, 2} {
					raw := int16(uint16(b[at])<<8 | uint16(b[at+1]))
					if raw == -4096 {
						return nil, errField
					}
					out[i] = float64(raw) * 0.092
				}
				return out[:], nil
			}, nil
		},
	}.On(b)
}

// QMC5883L measures the magnetic field up to 800 µT: GY-271, often sold as an HMC5883L, which
// is at another address. Registers and step as in ESPHome's component, read.
func QMC5883L(b *bus.Buses) drivers.Driver {
	const (
		data, status, control, period = 0x00, 0x06, 0x09, 0x0b
		ready, over                   = 0x01, 0x02
	)
	// Measures on its own, ten times a second, up to 8 G, the mean of 512; 0 after power-on.
	settings := []setting{{period, true, 0xff, 0x01}, {control, true, 0xff, 0x11}}
	return chip.Driver[*chip.I2COptions]{
		Name:      "qmc5883l",
		Summary:   "QST QMC5883L: magnetic field",
		Addresses: []uint16{0x0d},
		Every:     10 * time.Second,
		Channels:  fieldChannels(1100),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := d.Write(ctx, 0x0a, 0x80); err != nil { // reset
				return nil, err
			}
			if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
				return nil, err
			}
			if err := writeSettings(ctx, d, settings); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				// What lies there is read, which takes the flag away, and the next one taken.
				if _, err := d.Reg(ctx, data, 6); err != nil {
					return nil, err
				}
				if err := awaitBits(ctx, d, status, ready, 110*time.Millisecond); err != nil {
					return nil, err
				}
				b, err := d.Reg(ctx, data, 7) // x, y, z, low byte first, and the flags
				if err != nil {
					return nil, err
				}
				if err := checkSettings(ctx, d, settings); err != nil {
					return nil, err
				}
				if b[6]&over != 0 {
					return nil, errField
				}
				var out [3]float64
				for i := range out {
					out[i] = float64(int16(uint16(b[2*i+1])<<8|uint16(b[2*i]))) * 0.0333
				}
				return out[:], nil
			}, nil
		},
	}.On(b)
}

// awaitBits waits until bits of a register are set.
func awaitBits(ctx context.Context, d *bus.Dev, reg, bits byte, pause time.Duration) error {
	for range 6 {
		if err := bus.Sleep(ctx, pause); err != nil {
			return err
		}
		got, err := d.U8(ctx, reg)
		if err != nil || got&bits == bits {
			return err
		}
		pause = pause/4 + time.Millisecond
	}
	return chip.ErrNoData
}
