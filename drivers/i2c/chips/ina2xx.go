package chips

import (
	"context"
	"errors"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// The INA2xx measure the voltage of a load and the voltage over a shunt in its line. Our
// drivers start each measurement themselves and compute the current from the shunt's
// voltage: the chips' own current and power registers depend on a calibration register
// that they lose with their power, and round to it.
type inaOptions struct {
	chip.I2COptions
	Shunt chip.Ohm `toml:"shunt" required:"true" example:"\"2 mohm\"" doc:"The resistance of the shunt: \"0.1 ohm\", \"2 mohm\"."`
}

// inaAddrs are the sixteen that the pins A0 and A1 can choose.
var inaAddrs = chip.Span(0x40, 0x4f)

// errShunt is a current that the shunt's voltage has no room for.
var errShunt = errors.New("the current is beyond what this shunt can show")

func powerChannels(more ...drivers.Channel) []drivers.Channel {
	return append([]drivers.Channel{
		{Name: "voltage", Unit: "V", Min: 0, Max: 85},
		{Name: "current", Unit: "A"},
		{Name: "power", Unit: "W"},
	}, more...)
}

// powerNeeds: what is multiplied must be right.
func powerNeeds() map[string][]string { return map[string][]string{"power": {"voltage", "current"}} }

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
	fault := collect()
	if _, single := drivers.ChannelFaults(fault); !single {
		return fault
	}
	got, err := s.d.U16(ctx, s.configReg)
	switch {
	case err != nil:
		return err
	case (got^s.config)&^s.mode != 0:
		return chip.ErrReset
	}
	return fault
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
	return chip.ErrNoData
}

// pair is an INA2xx that shows current, or the shunt's voltage, in register 1 and the
// load's voltage in register 2.
type pair struct {
	shot   inaShot
	die    uint16 // 0: it has no ids
	decode func(first, volts uint16, r chip.Ohm) ([]float64, error)
}

func (p pair) open(ctx context.Context, d *bus.Dev, name string, r chip.Ohm) (chip.Read, error) {
	if p.die != 0 {
		if err := checkTIIDs(ctx, d, name, 0xfe, 0xff, p.die); err != nil {
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

// beyond returns the voltage alone: the shunt's voltage, or the current, has no room in its
// register, whose end says nothing about how much it is.
func beyond(volts float64, channel string, why error) ([]float64, error) {
	return []float64{volts, math.NaN(), math.NaN()}, chip.Fault(channel, why)
}

func watts(volts, amps float64) []float64 { return []float64{volts, amps, volts * amps} }

// inaPair is the driver of one with a shunt outside.
func inaPair(b *bus.Buses, name, summary string, p pair) drivers.Driver {
	return chip.Driver[*inaOptions]{
		Name:      name,
		Summary:   summary,
		Addresses: inaAddrs,
		Every:     5 * time.Second,
		Channels:  powerChannels(),
		Needs:     powerNeeds(),
		Options:   func() *inaOptions { return &inaOptions{} },
		Open: func(ctx context.Context, d *bus.Dev, o *inaOptions) (chip.Read, error) {
			return p.open(ctx, d, name, o.Shunt)
		},
	}.On(b)
}

// averaged16 is the measurement of INA226 and INA260: 16 averages of 1.1 ms each for bus
// and shunt, once. Conversion ready is bit 3 of the mask register.
func averaged16(config uint16) inaShot {
	return inaShot{config: config, takes: 39 * time.Millisecond, readyReg: 0x06, ready: 0x0008, mode: 0x0007}
}
