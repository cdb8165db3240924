package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// INA238 is the INA228 with 16 bits. SBOSA20 section 7.6.
func INA238(b *bus.Buses) drivers.Driver { return ina238(b, "ina238", "TI INA238", 0x2381) }

// INA237 is an INA238 of less accuracy. SBOSA21, whose register map has no id of the die:
// what is read there is not looked at, but for that it is not another chip's.
func INA237(b *bus.Buses) drivers.Driver {
	return ina238(b, "ina237", "TI INA237", 0x2381, 0x2371, 0x0000)
}

func ina238(b *bus.Buses, name, chipName string, dies ...uint16) drivers.Driver {
	return chip.Driver[*inaOptions]{
		Name:      name,
		Summary:   chipName + ": voltage, current, power, its own temperature",
		Addresses: inaAddrs,
		Every:     5 * time.Second,
		Channels:  powerChannels(chip.Temperature(-40, 150)),
		Needs:     powerNeeds(),
		Options:   func() *inaOptions { return &inaOptions{} },
		Open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (chip.Read, error) {
			if err := checkTIIDs(ctx, d, name, 0x3e, 0x3f, dies...); err != nil {
				return nil, err
			}
			config := []setting{{0x00, false, 0x3fd0, 0}} // no delay, shunt ±163.84 mV
			if err := writeSettings(ctx, d, config); err != nil {
				return nil, err
			}
			if err := checkSettings(ctx, d, config); err != nil {
				return nil, err
			}
			// As in ina228.go: once, 1052 µs each, 16 averages.
			shot := inaShot{d: d, configReg: 0x01, config: 0x7b6a, takes: 56 * time.Millisecond, readyReg: 0x0b, ready: 0x0002, mode: 0xf000}
			return func(ctx context.Context) (out []float64, err error) {
				err = shot.run(ctx, func() error {
					out, err = readINA238(ctx, d, o.Shunt)
					return err
				})
				return out, err
			}, nil
		},
	}.On(b)
}

// readINA238: 5 µV a step of the shunt, 3.125 mV of the bus, 0.125 °C in the upper 12 bits.
func readINA238(ctx context.Context, d *bus.Dev, r chip.Ohm) ([]float64, error) {
	var raw [3]int16
	for i := range raw {
		v, err := d.U16(ctx, 0x04+byte(i))
		if err != nil {
			return nil, err
		}
		raw[i] = int16(v)
	}
	load := float64(raw[1]) * 3.125e-3
	out, fault := watts(load, float64(raw[0])*5e-6/float64(r)), error(nil)
	if raw[0] == 1<<15-1 || raw[0] == -1<<15 {
		out, fault = beyond(load, "current", fmt.Errorf("%w (±163.84 mV at %g Ω)", errShunt, r))
	}
	return append(out, float64(raw[2]>>4)*0.125), fault
}
