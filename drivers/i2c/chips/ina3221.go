package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

type ina3221Options struct {
	chip.I2COptions
	Shunt  chip.Ohm `toml:"shunt" required:"true" example:"\"0.1 ohm\"" doc:"The resistance of the shunts: \"0.1 ohm\"."`
	Shunt2 chip.Ohm `toml:"shunt2" example:"\"0.1 ohm\"" doc:"The shunt of the second channel, if another."`
	Shunt3 chip.Ohm `toml:"shunt3" example:"\"0.1 ohm\"" doc:"The shunt of the third channel, if another."`
}

// ina3221Lowest: an input that is at ground reads a step or two below it, by the offset of
// the converter. Lower than this, it is connected the wrong way.
const ina3221Lowest = -0.1

// INA3221 measures three loads of up to 26 V. SBOS576B.
func INA3221(b *bus.Buses) drivers.Driver {
	channels, needs := []drivers.Channel(nil), map[string][]string{}
	for i := 1; i <= 3; i++ {
		for _, c := range powerChannels() {
			c.Name = fmt.Sprintf("%s%d", c.Name, i)
			if c.Unit == "V" {
				c.Min, c.Max = ina3221Lowest, 33 // all that 13 bits can show
			}
			channels = append(channels, c)
		}
		needs[fmt.Sprintf("power%d", i)] = []string{fmt.Sprintf("voltage%d", i), fmt.Sprintf("current%d", i)}
	}
	return chip.Driver[*ina3221Options]{
		Name:      "ina3221",
		Summary:   "TI INA3221: three times voltage, current, power",
		Addresses: chip.Span(0x40, 0x43),
		Every:     5 * time.Second,
		Channels:  channels,
		Needs:     needs,
		Options:   func() *ina3221Options { return &ina3221Options{} },
		Open: func(ctx context.Context, d *bus.Dev, o *ina3221Options) (chip.Read, error) {
			if err := checkTIIDs(ctx, d, "ina3221", 0xfe, 0xff, 0x3220); err != nil {
				return nil, err
			}
			shunts := [3]chip.Ohm{o.Shunt, o.Shunt2, o.Shunt3}
			for i := range shunts {
				if shunts[i] == 0 {
					shunts[i] = o.Shunt
				}
			}
			// Table 4: three channels, 16 averages of 1.1 ms for bus and shunt, once. Conversion
			// ready is bit 0 of the mask register.
			shot := inaShot{d: d, configReg: 0x00, config: 0x7523, takes: 117 * time.Millisecond, readyReg: 0x0f, ready: 0x0001, mode: 0x0007}
			return func(ctx context.Context) (out []float64, err error) {
				err = shot.run(ctx, func() error {
					out, err = readINA3221(ctx, d, shunts)
					return err
				})
				return out, err
			}, nil
		},
	}.On(b)
}

// readINA3221 reads the three channels. A shunt that shows too much costs its channel's
// current and power, and nothing of the others.
func readINA3221(ctx context.Context, d *bus.Dev, shunts [3]chip.Ohm) (out []float64, err error) {
	var faults []error
	for i, r := range shunts {
		shunt, err := d.U16(ctx, byte(1+2*i))
		if err != nil {
			return nil, err
		}
		volts, err := d.U16(ctx, byte(2+2*i))
		if err != nil {
			return nil, err
		}
		one, fault := decodeINA3221(shunt, volts, r, i+1)
		out, faults = append(out, one...), append(faults, fault)
	}
	return out, chip.JoinErrors(faults...)
}

// decodeINA3221: 13 bits from bit 3 on, 40 µV over the shunt and 8 mV on the bus a step,
// both signed. Sections 8.6.2.2 and 8.6.2.3.
func decodeINA3221(shunt, volts uint16, r chip.Ohm, channel int) ([]float64, error) {
	load := float64(int16(volts)>>3) * 8e-3
	if s := int16(shunt) >> 3; s == 0xfff || s == -0x1000 {
		return beyond(load, fmt.Sprintf("current%d", channel), fmt.Errorf("%w (±163.8 mV at %g Ω)", errShunt, r))
	}
	return watts(load, float64(int16(shunt)>>3)*40e-6/float64(r)), nil
}
