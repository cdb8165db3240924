package chips

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// pinOptions are one pin of an expander.
type pinOptions struct {
	Pin    string `toml:"pin" required:"true" example:"\"A0\"" doc:"The pin as on the chip: mcp23017 and mcp23s17 A0 to B7, mcp23008 GP0 to GP7, pcf8574 and pca9554 P0 to P7, pcf8575 and pca9535 P00 to P17."`
	Out    bool   `toml:"out" doc:"An output, that takes on and off on …/set."`
	Active string `toml:"active" example:"\"low\"" doc:"The level that is on: high or low."`
	Pull   bool   `toml:"pull" doc:"A pull-up on an input, where the chip has them (mcp23017, mcp23s17, mcp23008)."`
	Start  string `toml:"start" example:"\"off\"" doc:"The state of an output when it is opened, after a fault, and at the end: on or off."`

	names []string
	pulls bool
}

// Check implements drivers.Checker.
func (o *pinOptions) Check() error {
	var errs []error
	bad := func(key, found, expected string) {
		errs = append(errs, &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %q", found), Expected: expected})
	}
	if !slices.Contains(o.names, o.Pin) {
		bad("pin", o.Pin, strings.Join(o.names, ", "))
	}
	if o.Active != "high" && o.Active != "low" {
		bad("active", o.Active, "high or low")
	}
	if o.Start != "on" && o.Start != "off" {
		bad("start", o.Start, "on or off")
	}
	if o.Pull && (!o.pulls || o.Out) {
		bad("pull", "true", "only for an input of a chip that has pull-ups of its own")
	}
	return chip.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *pinOptions) Outputs() []drivers.Channel {
	return []drivers.Channel{{Kind: drivers.State, Writable: o.Out, Values: drivers.Booleans()}}
}

// expander is what a chip with input and output pins can do. Pins are bits, the lowest
// is the first name.
type expander interface {
	// setup makes outputs of the pins in out, at these levels, and inputs of the others.
	setup(ctx context.Context, out, levels, pulls uint16) error
	// read returns the level of all pins; an error if the chip has lost its setup.
	read(ctx context.Context) (uint16, error)
	// write sets the levels of the outputs.
	write(ctx context.Context, levels uint16) error
}

func expanderDriver(b *bus.Buses, name, summary string, addrs []uint16, pins []string, pulls bool, open func(d *bus.Dev, irq bool) expander) drivers.Driver {
	return chip.Driver[*chip.InterruptOptions]{
		Name:      name,
		Summary:   summary,
		Addresses: addrs,
		Every:     time.Second,
		Options:   func() *chip.InterruptOptions { return &chip.InterruptOptions{} },
		ChannelOptions: func() any {
			return &pinOptions{Active: "high", Start: "off", names: pins, pulls: pulls}
		},
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *chip.InterruptOptions, config chip.Config) (chip.Device, error) {
			return openExpander(ctx, open(d, o.IRQ != ""), pins, config.Channels)
		},
	}.On(b)
}

// pins is an open expander.
type pins struct {
	chip     expander
	channels []pin
	out      uint16 // bits that are outputs
	levels   uint16 // of the outputs, as last set
	start    uint16
}

var _ chip.Commander = (*pins)(nil)

type pin struct {
	name      string
	bit       uint16
	activeLow bool
	out       bool
}

func openExpander(ctx context.Context, x expander, names []string, channels []drivers.ChannelConfig) (chip.Device, error) {
	if len(channels) == 0 {
		return nil, fmt.Errorf("no channels (try: door = { pin = %q })", names[0])
	}
	p := &pins{chip: x}
	pulls, seen := uint16(0), uint16(0)
	for _, ch := range channels {
		o := ch.Options.(*pinOptions)
		bit := uint16(1) << slices.Index(names, o.Pin)
		if seen&bit != 0 {
			return nil, &drivers.KeyError{Key: "channels." + ch.Name + ".pin", Problem: o.Pin + " is used twice"}
		}
		seen |= bit
		c := pin{name: ch.Name, bit: bit, activeLow: o.Active == "low", out: o.Out}
		p.channels = append(p.channels, c)
		if o.Pull {
			pulls |= bit
		}
		if o.Out {
			p.out |= bit
			p.start = c.set(p.start, o.Start == "on")
		}
	}
	p.levels = p.start
	return p, x.setup(ctx, p.out, p.levels, pulls)
}

// set returns levels with this pin on or off.
func (c pin) set(levels uint16, on bool) uint16 {
	if on != c.activeLow {
		return levels | c.bit
	}
	return levels &^ c.bit
}

func (p *pins) Poll(ctx context.Context) ([]drivers.Reading, error) {
	levels, err := p.chip.read(ctx)
	if err != nil {
		return nil, err
	}
	var rs []drivers.Reading
	now := time.Now()
	for _, c := range p.channels {
		on := levels&c.bit != 0 != c.activeLow
		rs = append(rs, drivers.Reading{Channel: c.name, Value: drivers.Bool(on), Time: now})
	}
	return rs, nil
}

// Command sets an output and sees that the pin follows.
func (p *pins) Command(ctx context.Context, cmd drivers.Command) error {
	i := slices.IndexFunc(p.channels, func(c pin) bool { return c.name == cmd.Channel })
	if i < 0 || !p.channels[i].out {
		return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
	}
	on, err := cmd.Bool()
	if err != nil {
		return err
	}
	// The chip may have been reset since the last poll: then the other outputs are not what
	// we think, and writing them anew would switch them on unasked.
	if _, err := p.chip.read(ctx); err != nil {
		return err
	}
	levels := p.channels[i].set(p.levels, on)
	if err := p.chip.write(ctx, levels); err != nil {
		return err
	}
	p.levels = levels
	got, err := p.chip.read(ctx)
	if err != nil {
		return err
	}
	if (got^levels)&p.channels[i].bit != 0 {
		return errors.New("the pin does not follow (shorted, or overloaded?)")
	}
	return nil
}

// Close puts the outputs where they start.
func (p *pins) Close(ctx context.Context) error {
	if p.out == 0 {
		return nil
	}
	return p.chip.write(ctx, p.start)
}

func pinNames(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return names
}
