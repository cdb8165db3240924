package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MAX44009 measures light over 22 bits and converts all the time: GY-49. Registers and formula
// are those of ESPHome's component and of R. Tillaart's library, read; the settings after
// power-on are from memory.
func MAX44009(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "max44009",
		Summary:   "Maxim MAX44009: light",
		Addresses: []uint16{0x4a, 0x4b},
		Every:     10 * time.Second,
		Channels:  light(188006),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := writeSettings(ctx, d, max44Settings); err != nil {
				return nil, err
			}
			// In the range that another program chose by hand, what is there may be wrong: a cycle.
			if err := bus.Sleep(ctx, 900*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) { return readMAX44009(ctx, d) }, nil
		},
	}.On(b)
}

const max44Lux = 0x03

// max44Settings: no interrupt; ranges by itself, every 800 ms, as after power-on (the lower
// bits follow the light); and as a mark a value of the interrupt's timer, 0xff after power-on.
var max44Settings = []setting{{0x01, true, 0, 0}, {0x02, true, 0xc0, 0x03}, {0x07, true, 0xff, 0xa5}}

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
	if err := checkSettings(ctx, d, max44Settings[1:]); err != nil {
		return nil, err
	}
	if high != again { // it measured between; the upper half is enough, to a sixteenth
		low = 0x08
	}
	if high>>4 == 0x0f {
		return nil, errTooBright
	}
	return []float64{0.045 * float64((uint32(high&0x0f)<<4|uint32(low&0x0f))<<(high>>4))}, nil
}
