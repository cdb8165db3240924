package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// INA228 measures up to 85 V with 20 bits. SLYS021A section 7.6.
func INA228(b *bus.Buses) drivers.Driver {
	return chip.Driver[*inaOptions]{
		Name:      "ina228",
		Summary:   "TI INA228: voltage, current, power, its own temperature",
		Addresses: inaAddrs,
		Every:     5 * time.Second,
		Channels:  powerChannels(chip.Temperature(-40, 150)),
		Needs:     powerNeeds(),
		Options:   func() *inaOptions { return &inaOptions{} },
		Open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (chip.Read, error) {
			if err := checkTIIDs(ctx, d, "ina228", 0x3e, 0x3f, 0x2281); err != nil {
				return nil, err
			}
			// CONFIG: no delay, shunt ±163.84 mV, no compensation of the shunt's temperature.
			config := []setting{{0x00, false, 0x3ff0, 0}}
			if err := writeSettings(ctx, d, config); err != nil {
				return nil, err
			}
			if err := checkSettings(ctx, d, config); err != nil {
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
	}.On(b)
}

// readINA228 reads 20 bits in the upper part of 24 for shunt (312.5 nV a step) and bus
// (195.3125 µV), 16 for temperature (7.8125 m°C).
func readINA228(ctx context.Context, d *bus.Dev, r chip.Ohm) ([]float64, error) {
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
	load := float64(top20(volts)) * 195.3125e-6
	out, fault := watts(load, float64(s)*312.5e-9/float64(r)), error(nil)
	if s == 1<<19-1 || s == -1<<19 {
		out, fault = beyond(load, "current", fmt.Errorf("%w (±163.84 mV at %g Ω)", errShunt, r))
	}
	return append(out, float64(int16(t))*7.8125e-3), fault
}

// top20 returns the signed number in the upper 20 bits of three bytes.
func top20(b []byte) int32 {
	return int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 12
}
