package chips

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// The INA2xx measure the voltage of a load and the voltage over a shunt in its line. Our
// drivers start each measurement themselves and compute the current from the shunt's
// voltage: the chips' own current and power registers depend on a calibration register
// that they lose with their power, and round to it.
type inaOptions struct {
	At
	Shunt Ohm `toml:"shunt" required:"true" doc:"resistance of the shunt: \"0.1 ohm\", \"2 mohm\""`
}

// inaAddrs are the sixteen that the pins A0 and A1 can choose.
var inaAddrs = span(0x40, 0x4f)

// span gives the addresses from a to b.
func span(a, b uint16) []uint16 {
	var all []uint16
	for x := a; x <= b; x++ {
		all = append(all, x)
	}
	return all
}

// texasIDs are the die ids of TI's chips that have the maker's id 0x5449 ("TI").
var texasIDs = map[uint32]string{
	0x2260: "ina226", 0x2270: "ina260", 0x3220: "ina3221", 0x2281: "ina228", 0x1050: "hdc1080", 0x07d0: "opt3001",
}

// errShunt is a current that the shunt's voltage has no room for.
var errShunt = errors.New("the current is beyond what this shunt can show")

func powerChannels(more ...drivers.Channel) []drivers.Channel {
	return append([]drivers.Channel{
		{Name: "voltage", Unit: "V", Min: 0, Max: 85},
		{Name: "current", Unit: "A"},
		{Name: "power", Unit: "W"},
	}, more...)
}

// texas checks the maker's and the die's id.
func texas(ctx context.Context, d *bus.Dev, name string, makerReg, dieReg byte, die uint16) error {
	maker, err := d.U16(ctx, makerReg)
	if err != nil {
		return err
	}
	got, err := d.U16(ctx, dieReg)
	if err != nil {
		return err
	}
	// The last digit of some is the revision.
	if maker != 0x5449 || got&0xfff0 != die&0xfff0 {
		return wrongChip(name, uint32(got), texasIDs)
	}
	return nil
}

// inaShot is one measurement that the driver starts: write the configuration, wait, ask
// whether it is over, read, and see that the configuration is still there.
type inaShot struct {
	d         *bus.Dev
	configReg byte // 0 but for the INA228
	config    uint16
	takes     time.Duration
	readyReg  byte
	ready     uint16
	mode      uint16 // bits of config that may fall back to "off" when the shot is done
}

func (s inaShot) run(ctx context.Context, collect func() error) error {
	if err := s.d.Write16(ctx, s.configReg, s.config); err != nil {
		return err
	}
	if err := bus.Sleep(ctx, s.takes); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	if err := collect(); err != nil {
		return err
	}
	got, err := s.d.U16(ctx, s.configReg)
	if err == nil && (got^s.config)&^s.mode != 0 {
		err = errReset
	}
	return err
}

func (s inaShot) await(ctx context.Context) error {
	for range 8 {
		flags, err := s.d.U16(ctx, s.readyReg)
		if err != nil || flags&s.ready != 0 {
			return err
		}
		if err := bus.Sleep(ctx, s.takes/8); err != nil {
			return err
		}
	}
	return errNoData
}

// pair is an INA2xx that shows current, or the shunt's voltage, in register 1 and the
// load's voltage in register 2.
type pair struct {
	shot   inaShot
	die    uint16 // 0: it has no ids
	decode func(first, volts uint16, r Ohm) ([]float64, error)
}

func (p pair) open(ctx context.Context, d *bus.Dev, name string, r Ohm) (read, error) {
	if p.die != 0 {
		if err := texas(ctx, d, name, 0xfe, 0xff, p.die); err != nil {
			return nil, err
		}
	}
	shot := p.shot
	shot.d = d
	return func(ctx context.Context) (out []float64, err error) {
		err = shot.run(ctx, func() error {
			first, err := d.U16(ctx, 0x01)
			if err != nil {
				return err
			}
			volts, err := d.U16(ctx, 0x02)
			if err != nil {
				return err
			}
			out, err = p.decode(first, volts, r)
			return err
		})
		return out, err
	}, nil
}

func watts(volts, amps float64) []float64 { return []float64{volts, amps, volts * amps} }

// inaPair is the driver of one with a shunt outside.
func inaPair(b *bus.Buses, name, summary string, p pair) drivers.Driver {
	return chip[*inaOptions]{
		name:     name,
		summary:  summary,
		addrs:    inaAddrs,
		every:    5 * time.Second,
		channels: powerChannels(),
		options:  func() *inaOptions { return &inaOptions{} },
		open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (read, error) {
			return p.open(ctx, d, name, o.Shunt)
		},
	}.driver(b)
}

// INA219 measures up to 26 V. SBOS448G section 8.6.2: bus range 32 V (16 V would show 24 V
// as 16 V), shunt ±320 mV, both averaged over 16 samples (8.51 ms each), once. Conversion
// ready is bit 1 of the bus voltage and is cleared by the write.
func INA219(b *bus.Buses) drivers.Driver {
	return inaPair(b, "ina219", "TI INA219: voltage, current, power", pair{
		shot:   inaShot{config: 0x3e63, takes: 19 * time.Millisecond, readyReg: 0x02, ready: 0x0002, mode: 0x0007},
		decode: decodeINA219,
	})
}

// decodeINA219: 10 µV a step over the shunt, 4 mV a step on the bus from bit 3 on.
// Section 8.6.3.
func decodeINA219(shunt, volts uint16, r Ohm) ([]float64, error) {
	mv := int16(shunt)
	if mv >= 32000 || mv <= -32000 {
		return nil, fmt.Errorf("%w (±320 mV at %g Ω)", errShunt, r)
	}
	return watts(float64(volts>>3)*4e-3, float64(mv)*10e-6/float64(r)), nil
}

// averaged16 is the measurement of INA226 and INA260: 16 averages of 1.1 ms each for bus
// and shunt, once. Conversion ready is bit 3 of the mask register.
func averaged16(config uint16) inaShot {
	return inaShot{config: config, takes: 39 * time.Millisecond, readyReg: 0x06, ready: 0x0008, mode: 0x0007}
}

// INA226 measures up to 36 V. SBOS547B section 7.6.1; bit 14 of the configuration always
// reads as one.
func INA226(b *bus.Buses) drivers.Driver {
	return inaPair(b, "ina226", "TI INA226: voltage, current, power", pair{shot: averaged16(0x4523), die: 0x2260, decode: decodeINA226})
}

// decodeINA226: 2.5 µV a step over the shunt, 1.25 mV on the bus. Section 7.6.2.
func decodeINA226(shunt, volts uint16, r Ohm) ([]float64, error) {
	if shunt == 0x7fff || shunt == 0x8000 {
		return nil, fmt.Errorf("%w (±81.92 mV at %g Ω)", errShunt, r)
	}
	return watts(float64(volts)*1.25e-3, float64(int16(shunt))*2.5e-6/float64(r)), nil
}

// INA260 has its shunt inside. SBOS656C section 8.6.1; bits 14 to 12 are fixed at 110.
func INA260(b *bus.Buses) drivers.Driver {
	p := pair{shot: averaged16(0x6523), die: 0x2270, decode: decodeINA260}
	return chip[*At]{
		name:     "ina260",
		summary:  "TI INA260: voltage, current (±15 A, shunt inside), power",
		addrs:    inaAddrs,
		every:    5 * time.Second,
		channels: powerChannels(),
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			return p.open(ctx, d, "ina260", 0)
		},
	}.driver(b)
}

// decodeINA260: 1.25 mA and 1.25 mV a step. Sections 8.6.2 and 8.6.3.
func decodeINA260(amps, volts uint16, _ Ohm) ([]float64, error) {
	if amps == 0x7fff || amps == 0x8000 {
		return nil, errors.New("the current is beyond ±40 A")
	}
	return watts(float64(volts)*1.25e-3, float64(int16(amps))*1.25e-3), nil
}
