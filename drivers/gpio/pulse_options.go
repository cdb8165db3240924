package gpio

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
)

type pulseOptions struct {
	LineOptions
	Edge     Edges         `toml:"edge" example:"\"rising\"" doc:"What is one pulse, as seen on the wire: falling (default), rising, or both (each edge counts)."`
	Debounce time.Duration `toml:"debounce" doc:"How long a level must last to count; pulses closer than twice this are not seen; the kernel measures it."`
	MinWidth time.Duration `toml:"min_width" doc:"Shorter pulses are not counted; needs edge = \"falling\" or \"rising\"."`
	PerPulse Quantity      `toml:"per_pulse" required:"true" example:"\"0.01 m³\"" doc:"What one pulse stands for: 1 L, 0.01 m³, 1/1000 kWh, or only a number."`
	Rate     string        `toml:"rate" example:"\"L/min\"" doc:"The unit of the rate: L/min, m³/h, W and others; default: the usual one for the unit of per_pulse."`
	Idle     time.Duration `toml:"idle" doc:"The rate is 0 when there was no pulse for so long."`
}

// Check finds combinations that cannot work.
func (o *pulseOptions) Check() error {
	var errs []error
	if o.Debounce < 0 || o.Debounce > time.Minute {
		errs = append(errs, &drivers.KeyError{Key: "debounce", Problem: o.Debounce.String() + " cannot be", Expected: "0s to 1m", Try: `debounce = "20ms"`})
	}
	if o.MinWidth < 0 || o.MinWidth > 0 && o.Edge == Both {
		errs = append(errs, &drivers.KeyError{Key: "min_width", Problem: "a pulse has a width only if edge says where it begins", Try: `edge = "falling"`})
	}
	if o.Idle <= 0 {
		errs = append(errs, &drivers.KeyError{Key: "idle", Problem: "must be longer than nothing", Try: `idle = "5m"`})
	}
	if _, _, err := rateOf(o.PerPulse.unit, o.Rate); err != nil {
		errs = append(errs, &drivers.KeyError{Key: "rate", Problem: err.Error()})
	}
	return errors.Join(errs...)
}

// Outputs are the total and its rate, which is called as people call it: flow, power.
func (o *pulseOptions) Outputs() []drivers.Channel {
	m, _ := measureOf(o.PerPulse.unit)
	_, rate, _ := rateOf(o.PerPulse.unit, o.Rate) // Check has seen it
	return []drivers.Channel{
		{Name: "total", Unit: o.PerPulse.unit, Kind: drivers.Total, Writable: true},
		{Name: m.channel, Unit: rate, Kind: drivers.Gauge},
	}
}

func pulseDriver(c *Chips) drivers.Driver {
	return drivers.Driver{
		Name:    "pulse",
		Summary: "GPIO pulse counter: water, gas and energy meters; the total survives power cuts",
		Options: func() any {
			return &pulseOptions{Edge: Falling, Debounce: 5 * time.Millisecond, Idle: 5 * time.Minute}
		},
		Channels: []drivers.Channel{{Name: "total", Kind: drivers.Total, Writable: true}, {Name: "rate"}},
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			return openPulse(c, s, *s.Options.(*pulseOptions))
		},
	}
}
