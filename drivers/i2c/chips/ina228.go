package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// ina2x8 is what differs between INA228, INA237 and INA238. Their registers, ids and steps
// are those of ESPHome's component ina2xx_base and, but for the INA228, of the kernel's
// driver ina238, both read; the data sheets (SLYS021 is the INA238's, SBOSA20 the INA237's)
// were not at hand.
type ina2x8 struct {
	name, chip string
	dies       []uint16
	fixed      uint16  // bits of CONFIG that are kept: delay, compensation of the shunt's temperature, range
	bytes      int     // of shunt and bus registers
	shunt, bus float64 // V a step of these
	shift      int     // of the temperature
	celsius    float64 // a step
}

// INA228 measures up to 85 V with 20 bits.
func INA228(b *bus.Buses) drivers.Driver {
	return ina2x8{"ina228", "TI INA228", []uint16{0x2281}, 0x3ff0, 3, 312.5e-9, 195.3125e-6, 0, 7.8125e-3}.on(b)
}

// INA238 is the INA228 with 16 bits.
func INA238(b *bus.Buses) drivers.Driver {
	return ina2x8{"ina238", "TI INA238", []uint16{0x2381}, 0x3fd0, 2, 5e-6, 3.125e-3, 4, 0.125}.on(b)
}

// INA237 is an INA238 of less accuracy. Its register map has no id of the die: ESPHome has
// met zero there.
func INA237(b *bus.Buses) drivers.Driver {
	return ina2x8{"ina237", "TI INA237", []uint16{0x2381, 0x2371, 0x0000}, 0x3fd0, 2, 5e-6, 3.125e-3, 4, 0.125}.on(b)
}

func (i ina2x8) on(b *bus.Buses) drivers.Driver {
	return chip.Driver[*inaOptions]{
		Name:      i.name,
		Summary:   i.chip + ": voltage, current, power, its own temperature",
		Addresses: inaAddrs,
		Every:     5 * time.Second,
		Channels:  powerChannels(chip.Temperature(-40, 150)),
		Needs:     powerNeeds(),
		Options:   func() *inaOptions { return &inaOptions{} },
		Open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (chip.Read, error) {
			if err := checkTIIDs(ctx, d, i.name, 0x3e, 0x3f, i.dies...); err != nil {
				return nil, err
			}
			config := []setting{{0x00, false, i.fixed, 0}} // no delay, shunt ±163.84 mV
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
					out, err = i.read(ctx, d, o.Shunt)
					return err
				})
				return out, err
			}, nil
		},
	}.On(b)
}

func (i ina2x8) read(ctx context.Context, d *bus.Dev, r chip.Ohm) ([]float64, error) {
	shunt, err := d.Reg(ctx, 0x04, i.bytes)
	if err != nil {
		return nil, err
	}
	volts, err := d.Reg(ctx, 0x05, i.bytes)
	if err != nil {
		return nil, err
	}
	t, err := d.U16(ctx, 0x06)
	if err != nil {
		return nil, err
	}
	bits, s := 16, top(shunt)
	if i.bytes == 3 {
		bits = 20 // in the upper part of 24
	}
	load := float64(top(volts)>>(32-bits)) * i.bus
	out, fault := watts(load, float64(s>>(32-bits))*i.shunt/float64(r)), error(nil)
	if end := s >> (32 - bits); end == 1<<(bits-1)-1 || end == -1<<(bits-1) {
		out, fault = beyond(load, "current", fmt.Errorf("%w (±163.84 mV at %g Ω)", errShunt, r))
	}
	return append(out, float64(int16(t)>>i.shift)*i.celsius), fault
}

// top returns the signed number that begins with b in the upper bits of 32.
func top(b []byte) (v int32) {
	for n, x := range b {
		v |= int32(uint32(x) << (24 - 8*n))
	}
	return v
}
