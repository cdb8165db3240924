package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// INA228 measures up to 85 V with 20 bits. SLYS021A section 7.6.
func INA228(b *bus.Buses) drivers.Driver {
	return chip[*inaOptions]{
		name:     "ina228",
		summary:  "TI INA228: voltage, current, power, its own temperature",
		addrs:    inaAddrs,
		every:    5 * time.Second,
		channels: powerChannels(temperature(-40, 150)),
		options:  func() *inaOptions { return &inaOptions{} },
		open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (read, error) {
			if err := texas(ctx, d, "ina228", 0x3e, 0x3f, 0x2281); err != nil {
				return nil, err
			}
			// CONFIG: no delay, shunt ±163.84 mV.
			if err := d.Write16(ctx, 0x00, 0); err != nil {
				return nil, err
			}
			// ADC_CONFIG: temperature, bus and shunt once, 1052 µs each, 16 averages. Conversion
			// ready is bit 1 of DIAG_ALRT.
			shot := inaShot{d: d, configReg: 0x01, config: 0x7b6a, takes: 56 * time.Millisecond, readyReg: 0x0b, ready: 0x0002, mode: 0xf000}
			return func(ctx context.Context) (out []float64, err error) {
				err = shot.run(ctx, func() error {
					out, err = readINA228(ctx, d, o.Shunt)
					return err
				})
				return out, err
			}, nil
		},
	}.driver(b)
}

// readINA228 reads 20 bits in the upper part of 24 for shunt (312.5 nV a step) and bus
// (195.3125 µV), 16 for temperature (7.8125 m°C).
func readINA228(ctx context.Context, d *bus.Dev, r Ohm) ([]float64, error) {
	shunt, err := d.Reg(ctx, 0x04, 3)
	if err != nil {
		return nil, err
	}
	volts, err := d.Reg(ctx, 0x05, 3)
	if err != nil {
		return nil, err
	}
	t, err := d.U16(ctx, 0x06)
	if err != nil {
		return nil, err
	}
	s := top20(shunt)
	if s == 1<<19-1 || s == -1<<19 {
		return nil, fmt.Errorf("%w (±163.84 mV at %g Ω)", errShunt, r)
	}
	out := watts(float64(top20(volts))*195.3125e-6, float64(s)*312.5e-9/float64(r))
	return append(out, float64(int16(t))*7.8125e-3), nil
}

// top20 gives the signed number in the upper 20 bits of three bytes.
func top20(b []byte) int32 {
	return int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 12
}

type ina3221Options struct {
	At
	Shunt  Ohm `toml:"shunt" required:"true" doc:"resistance of the shunts: \"0.1 ohm\""`
	Shunt2 Ohm `toml:"shunt2" doc:"of the second channel, if another"`
	Shunt3 Ohm `toml:"shunt3" doc:"of the third channel, if another"`
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
	return chip[*ina3221Options]{
		name:     "ina3221",
		summary:  "TI INA3221: three times voltage, current, power",
		addrs:    span(0x40, 0x43),
		every:    5 * time.Second,
		channels: channels,
		options:  func() *ina3221Options { return &ina3221Options{} },
		open: func(ctx context.Context, d *bus.Dev, o *ina3221Options) (read, error) {
			if err := texas(ctx, d, "ina3221", 0xfe, 0xff, 0x3220); err != nil {
				return nil, err
			}
			shunts := [3]Ohm{o.Shunt, o.Shunt2, o.Shunt3}
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
	}.driver(b)
}

// readINA3221 reads one channel: 13 bits from bit 3 on, 40 µV and 8 mV a step.
func readINA3221(ctx context.Context, d *bus.Dev, reg byte, r Ohm) ([]float64, error) {
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
