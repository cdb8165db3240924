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
	Shunt  chip.Ohm `toml:"shunt" required:"true" doc:"resistance of the shunts: \"0.1 ohm\""`
	Shunt2 chip.Ohm `toml:"shunt2" doc:"of the second channel, if another"`
	Shunt3 chip.Ohm `toml:"shunt3" doc:"of the third channel, if another"`
}

// INA3221 measures three loads of up to 26 V. SBOS576B.
func INA3221(b *bus.Buses) drivers.Driver {
	var channels []drivers.Channel
	for i := 1; i <= 3; i++ {
		for _, c := range powerChannels() {
			c.Name = fmt.Sprintf("%s%d", c.Name, i)
			channels = append(channels, c)
		}
	}
	return chip.Driver[*ina3221Options]{
		Name:      "ina3221",
		Summary:   "TI INA3221: three times voltage, current, power",
		Addresses: chip.Span(0x40, 0x43),
		Every:     5 * time.Second,
		Channels:  channels,
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
					out = nil
					for i, r := range shunts {
						one, err := readINA3221(ctx, d, byte(1+2*i), r)
						if err != nil {
							return err
						}
						out = append(out, one...)
					}
					return nil
				})
				return out, err
			}, nil
		},
	}.On(b)
}

// readINA3221 reads one channel: 13 bits from bit 3 on, 40 µV and 8 mV a step.
func readINA3221(ctx context.Context, d *bus.Dev, reg byte, r chip.Ohm) ([]float64, error) {
	shunt, err := d.U16(ctx, reg)
	if err != nil {
		return nil, err
	}
	volts, err := d.U16(ctx, reg+1)
	if err != nil {
		return nil, err
	}
	if s := int16(shunt) >> 3; s == 0xfff || s == -0x1000 {
		return nil, fmt.Errorf("%w (±163.8 mV at %g Ω)", errShunt, r)
	}
	return watts(float64(int16(volts)>>3)*8e-3, float64(int16(shunt)>>3)*40e-6/float64(r)), nil
}
