package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MAX44009 measures light over 22 bits and converts all the time: GY-49. Data sheet 19-5719,
// "Register definition".
func MAX44009(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "max44009",
		Summary:   "Maxim MAX44009: light",
		Addresses: []uint16{0x4a, 0x4b},
		Every:     10 * time.Second,
		Channels:  light(188006),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			for _, set := range [][2]byte{{0x01, 0}, {max44Config, max44Automatic}, {max44Timer, max44Mark}} {
				if err := d.Write(ctx, set[0], set[1]); err != nil {
					return nil, err
				}
			}
			// In the range that another program chose by hand, what is there may be wrong: a cycle.
			if err := bus.Sleep(ctx, 900*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) { return readMAX44009(ctx, d) }, nil
		},
	}.On(b)
}

// Registers and settings of the MAX44009.
const (
	max44Config, max44Lux, max44Timer = 0x02, 0x03, 0x07
	// Ranges by itself, every 800 ms, as after power-on.
	max44Automatic = 0x03
	// max44Mark is a value of the interrupt's timer, whose interrupt is off: 0xff after power-on.
	max44Mark = 0xa5
)

func readMAX44009(ctx context.Context, d *bus.Dev) ([]float64, error) {
	// Two registers that cannot be read as one; the first is read again after the second.
	high, err := d.U8(ctx, max44Lux)
	if err != nil {
		return nil, err
	}
	low, err := d.U8(ctx, max44Lux+1)
	if err != nil {
		return nil, err
	}
	again, err := d.U8(ctx, max44Lux)
	if err != nil {
		return nil, err
	}
	for reg, want := range map[byte]byte{max44Config: max44Automatic, max44Timer: max44Mark} {
		got, err := d.U8(ctx, reg)
		if err != nil {
			return nil, err
		}
		if reg == max44Config {
			got &= 0xc0 // the rest follows the light
			want = 0
		}
		if got != want {
			return nil, chip.ErrReset
		}
	}
	if high != again { // it measured between; the upper half is enough, to a sixteenth
		low = 0x08
	}
	if high>>4 == 0x0f {
		return nil, errTooBright
	}
	return []float64{0.045 * float64((uint32(high&0x0f)<<4|uint32(low&0x0f))<<(high>>4))}, nil
}
