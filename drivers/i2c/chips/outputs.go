package chips

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// levelOptions say which level an output has when nobody commands one.
type levelOptions struct {
	Start    float64        `toml:"start" example:"0.0" doc:"The level in % when it is opened, and after a fault of the chip."`
	Exit     *float64       `toml:"exit" example:"0.0" doc:"The level in % when the gateway stops; default: as start."`
	Failsafe *levelFailsafe `toml:"failsafe" example:"{ after = \"10m\", level = 0 }" doc:"The level to take when nobody has sent a command for some time."`
}

// levelFailsafe is what an output does when its controller is silent.
type levelFailsafe struct {
	After time.Duration `toml:"after" required:"true" doc:"How long there must be no command."`
	Level float64       `toml:"level" example:"0.0" doc:"The level to take in %."`
}

// Check implements drivers.Checker.
func (o *levelOptions) Check() error {
	var errs []error
	check := func(key string, level float64) {
		if !(level >= 0 && level <= 100) {
			errs = append(errs, &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %g", level), Expected: "0 to 100 %"})
		}
	}
	check("start", o.Start)
	if o.Exit != nil {
		check("exit", *o.Exit)
	}
	if f := o.Failsafe; f != nil {
		check("failsafe.level", f.Level)
		if f.After <= 0 {
			errs = append(errs, &drivers.KeyError{Key: "failsafe.after", Problem: "must be longer than nothing", Try: `after = "2m"`})
		}
	}
	return chip.JoinErrors(errs...)
}

// outputOptions are one output of a chip with several.
type outputOptions struct {
	Output string `toml:"output" required:"true" example:"\"A\"" doc:"The output as the chip names it: mcp4728 A to D, pca9685 0 to 15."`
	levelOptions

	names []string
}

// Check implements drivers.Checker.
func (o *outputOptions) Check() error {
	var err error
	if !slices.Contains(o.names, o.Output) {
		err = &drivers.KeyError{Key: "output", Problem: fmt.Sprintf("found %q", o.Output), Expected: strings.Join(o.names, ", ")}
	}
	return chip.JoinErrors(err, o.levelOptions.Check())
}

// level is the channel of an output.
func level(name string) drivers.Channel {
	return drivers.Channel{Name: name, Unit: "%", Kind: drivers.State, Writable: true, Min: 0, Max: 100, HasRange: true}
}

// Outputs implements drivers.Outputter.
func (o *outputOptions) Outputs() []drivers.Channel { return []drivers.Channel{level("")} }

// converter is a chip with outputs, which are numbered from 0.
type converter interface {
	// set sets an output.
	set(ctx context.Context, output int, percent float64) error
	// check returns an error where the chip does not hold what was set.
	check(ctx context.Context) error
}

// levels are the outputs of an open chip. A poll looks whether it holds them, and is when a
// silent controller is noticed.
type levels struct {
	chip converter
	out  []*outputLevel
}

type outputLevel struct {
	name      string
	number    int
	o         *levelOptions
	percent   float64
	commanded time.Time // last, or when it was opened
	failed    bool      // safe: nobody has sent a command
}

var _ chip.Commander = (*levels)(nil)

// openLevels puts the outputs where they start.
func openLevels(ctx context.Context, c converter, out []*outputLevel) (chip.Device, error) {
	l := &levels{chip: c, out: out}
	for _, o := range out {
		o.percent, o.commanded = o.o.Start, time.Now()
		if err := c.set(ctx, o.number, o.percent); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// outputsOf are the user's channels.
func outputsOf(names []string, channels []drivers.ChannelConfig) ([]*outputLevel, error) {
	if len(channels) == 0 {
		return nil, fmt.Errorf("no channels (try: fan = { output = %q })", names[0])
	}
	var out []*outputLevel
	for _, ch := range channels {
		o := ch.Options.(*outputOptions)
		n := slices.Index(names, o.Output)
		if slices.ContainsFunc(out, func(x *outputLevel) bool { return x.number == n }) {
			return nil, &drivers.KeyError{Key: "channels." + ch.Name + ".output", Problem: o.Output + " is used twice"}
		}
		out = append(out, &outputLevel{name: ch.Name, number: n, o: &o.levelOptions})
	}
	return out, nil
}

// Poll implements chip.Device.
func (l *levels) Poll(ctx context.Context) ([]drivers.Reading, error) {
	if err := l.chip.check(ctx); err != nil {
		return nil, err
	}
	var rs []drivers.Reading
	now := time.Now()
	for _, o := range l.out {
		if f := o.o.Failsafe; f != nil && !o.failed && now.Sub(o.commanded) >= f.After {
			if err := l.chip.set(ctx, o.number, f.Level); err != nil {
				return nil, err
			}
			o.failed, o.percent = true, f.Level
		}
		rs = append(rs, drivers.Reading{Channel: o.name, Unit: "%", Value: drivers.Number(o.percent), Time: now})
	}
	return rs, nil
}

// Command implements chip.Commander.
func (l *levels) Command(ctx context.Context, cmd drivers.Command) error {
	i := slices.IndexFunc(l.out, func(o *outputLevel) bool { return o.name == cmd.Channel })
	if i < 0 {
		return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
	}
	percent, err := cmd.Number()
	if err == nil && (percent < 0 || percent > 100) {
		err = fmt.Errorf("%w: found %g, expected 0 to 100 %%", drivers.ErrRefused, percent)
	}
	if err != nil {
		return err
	}
	// It may have been reset since the last poll: the other outputs are then not what we think.
	if err := l.chip.check(ctx); err != nil {
		return err
	}
	if err := l.chip.set(ctx, l.out[i].number, percent); err != nil {
		return err
	}
	l.out[i].percent, l.out[i].commanded, l.out[i].failed = percent, time.Now(), false
	return l.chip.check(ctx)
}

// Close implements chip.Commander: the outputs take the level of exit.
func (l *levels) Close(ctx context.Context) error {
	var errs []error
	for _, o := range l.out {
		percent := o.o.Start
		if o.o.Exit != nil {
			percent = *o.o.Exit
		}
		errs = append(errs, l.chip.set(ctx, o.number, percent))
	}
	return chip.JoinErrors(errs...)
}

// code of a level, of steps from nothing to everything.
func code(percent float64, steps int) uint16 {
	return uint16(math.Round(percent / 100 * float64(steps)))
}

// several is the driver of a chip with outputs that the user names.
func several[O chip.Options](b *bus.Buses, name, summary string, addrs []uint16, names []string, options func() O, open func(ctx context.Context, d *bus.Dev, o O) (converter, error)) drivers.Driver {
	return chip.Driver[O]{
		Name:           name,
		Summary:        summary,
		Addresses:      addrs,
		Every:          time.Second,
		Options:        options,
		ChannelOptions: func() any { return &outputOptions{names: names} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o O, config chip.Config) (chip.Device, error) {
			out, err := outputsOf(names, config.Channels)
			if err != nil {
				return nil, err
			}
			c, err := open(ctx, d, o)
			if err != nil {
				return nil, err
			}
			return openLevels(ctx, c, out)
		},
	}.On(b)
}
