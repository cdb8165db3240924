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
)

// pinOptions are one pin of an expander.
type pinOptions struct {
	Pin    string `toml:"pin" required:"true" doc:"as on the chip: mcp23017 A0 to B7, pcf8574 P0 to P7, pca9535 P00 to P17"`
	Out    bool   `toml:"out" doc:"an output, that takes on and off on …/set"`
	Active string `toml:"active" doc:"high or low: the level that is on"`
	Pull   bool   `toml:"pull" doc:"pull-up on an input, where the chip has them (mcp23017)"`
	Start  string `toml:"start" doc:"of an output, when it is opened, after a fault, and at the end: on or off"`

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
	return joined(errs...)
}

// Outputs implements drivers.Outputter.
func (o *pinOptions) Outputs() []drivers.Channel {
	return []drivers.Channel{{Kind: drivers.State, Writable: o.Out}}
}

// expander is what a chip with input and output pins can do. Pins are bits, the lowest
// is the first name.
type expander interface {
	// setup makes outputs of the pins in out, at these levels, and inputs of the others.
	setup(ctx context.Context, out, levels, pulls uint16) error
	// read gives the level of all pins; an error if the chip has lost its setup.
	read(ctx context.Context) (uint16, error)
	// write sets the levels of the outputs.
	write(ctx context.Context, levels uint16) error
}

func expanderDriver(b *bus.Buses, name, summary string, addrs []uint16, pins []string, pulls bool, open func(*bus.Dev) expander) drivers.Driver {
	return chip[*At]{
		name:    name,
		summary: summary,
		addrs:   addrs,
		every:   time.Second,
		options: plain,
		channelOptions: func() any {
			return &pinOptions{Active: "high", Start: "off", names: pins, pulls: pulls}
		},
		device: func(ctx context.Context, d *bus.Dev, _ *At, s site) (device, error) {
			return openExpander(ctx, open(d), pins, s.Channels)
		},
	}.driver(b)
}

// pins is an open expander.
type pins struct {
	chip     expander
	channels []pin
	out      uint16 // bits that are outputs
	levels   uint16 // of the outputs, as last set
	start    uint16
}

type pin struct {
	name      string
	bit       uint16
	activeLow bool
	out       bool
}

func openExpander(ctx context.Context, chip expander, names []string, sites []drivers.ChannelConfig) (device, error) {
	if len(sites) == 0 {
		return nil, fmt.Errorf("no channels (try: door = { pin = %q })", names[0])
	}
	p := &pins{chip: chip}
	pulls, seen := uint16(0), uint16(0)
	for _, s := range sites {
		o := s.Options.(*pinOptions)
		bit := uint16(1) << slices.Index(names, o.Pin)
		if seen&bit != 0 {
			return nil, &drivers.KeyError{Key: "channels." + s.Name + ".pin", Problem: o.Pin + " is used twice"}
		}
		seen |= bit
		c := pin{name: s.Name, bit: bit, activeLow: o.Active == "low", out: o.Out}
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
	return p, chip.setup(ctx, p.out, p.levels, pulls)
}

// set gives levels with this pin on or off.
func (c pin) set(levels uint16, on bool) uint16 {
	if on != c.activeLow {
		return levels | c.bit
	}
	return levels &^ c.bit
}

func (p *pins) poll(ctx context.Context) ([]drivers.Reading, error) {
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

// command sets an output and sees that the pin follows.
func (p *pins) command(ctx context.Context, cmd drivers.Command) error {
	i := slices.IndexFunc(p.channels, func(c pin) bool { return c.name == cmd.Channel })
	if i < 0 || !p.channels[i].out {
		return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
	}
	on, err := cmd.Bool()
	if err != nil {
		return err
	}
	// The chip may have been reset since the last poll: then the other outputs are not what
	// we think, and writing them anew would switch them on behind everybody's back.
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

// close puts the outputs where they start.
func (p *pins) close(ctx context.Context) error {
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

// registered is an expander with registers for two ports: direction (1 is input),
// output, input.
type registered struct {
	d                  *bus.Dev
	dir, output, input byte
	pull               byte // 0: has none
	// zero is a register of which some bits always read as zero: a bus that reads ones is
	// known by it.
	zero, zeroBits byte

	out, levels, pulls uint16
}

func (r *registered) put(ctx context.Context, reg byte, v uint16) error {
	return r.d.Write(ctx, reg, byte(v), byte(v>>8))
}

func (r *registered) setup(ctx context.Context, out, levels, pulls uint16) error {
	r.out, r.levels, r.pulls = out, levels, pulls
	// Levels before direction, so that no output shows a wrong level for a moment.
	if err := r.put(ctx, r.output, levels); err != nil {
		return err
	}
	if r.pull != 0 {
		if err := r.put(ctx, r.pull, pulls); err != nil {
			return err
		}
	}
	return r.put(ctx, r.dir, ^out)
}

func (r *registered) read(ctx context.Context) (uint16, error) {
	levels, err := r.d.LE16(ctx, r.input)
	if err != nil {
		return 0, err
	}
	z, err := r.d.U8(ctx, r.zero)
	if err != nil {
		return 0, err
	}
	if z&r.zeroBits != 0 {
		return 0, fmt.Errorf("%w: the bus reads only ones, or this is another chip", drivers.ErrNoAnswer)
	}
	dir, err := r.d.LE16(ctx, r.dir)
	if err != nil {
		return 0, err
	}
	set, err := r.d.LE16(ctx, r.output)
	if err != nil {
		return 0, err
	}
	if dir != ^r.out || (set^r.levels)&r.out != 0 {
		return 0, errReset
	}
	if r.pull != 0 {
		if pulls, err := r.d.LE16(ctx, r.pull); err != nil {
			return 0, err
		} else if pulls != r.pulls {
			return 0, errReset
		}
	}
	return levels, nil
}

func (r *registered) write(ctx context.Context, levels uint16) error {
	r.levels = levels
	return r.put(ctx, r.output, levels)
}

// MCP23017 has 16 pins with pull-ups. DS20001952 section 3.5, registers with BANK = 0.
func MCP23017(b *bus.Buses) drivers.Driver {
	names := append(pinNames("A", 8), pinNames("B", 8)...)
	return expanderDriver(b, "mcp23017", "Microchip MCP23017: 16 inputs and outputs", span(0x20, 0x27), names, true,
		func(d *bus.Dev) expander {
			// IOCON bit 0 is not implemented and reads as zero.
			return &registered{d: d, dir: 0x00, output: 0x14, input: 0x12, pull: 0x0c, zero: 0x0a, zeroBits: 0x01}
		})
}

// PCA9535 has 16 pins. SCPS129 section 8.6: PCA9535, PCA9555, TCA9535, TCA9555, XL9535.
func PCA9535(b *bus.Buses) drivers.Driver {
	names := append(pinNames("P0", 8), pinNames("P1", 8)...)
	return expanderDriver(b, "pca9535", "NXP/TI PCA9535, PCA9555, TCA9535, TCA9555, XL9535: 16 inputs and outputs", span(0x20, 0x27), names, false,
		func(d *bus.Dev) expander {
			// Polarity inversion, which nobody sets.
			return &registered{d: d, dir: 0x06, output: 0x02, input: 0x00, zero: 0x04, zeroBits: 0xff}
		})
}

// quasi is an expander without registers: a written one is a weak pull-up, which also
// serves as input.
type quasi struct {
	d      *bus.Dev
	ports  int
	out    uint16
	levels uint16
}

func (q *quasi) setup(ctx context.Context, out, levels, _ uint16) error {
	q.out = out
	return q.write(ctx, levels)
}

func (q *quasi) read(ctx context.Context) (uint16, error) {
	b, err := q.d.Read(ctx, q.ports)
	if err != nil {
		return 0, err
	}
	if same(b, 0x00) || same(b, 0xff) {
		if err := q.d.NotStuck(ctx); err != nil {
			return 0, err
		}
	}
	levels := uint16(b[0])
	if q.ports == 2 {
		levels |= uint16(b[1]) << 8
	}
	// An output that was driven low and is high: the chip was reset, when all go high.
	if q.out&^q.levels&levels != 0 {
		return 0, errReset
	}
	return levels, nil
}

func (q *quasi) write(ctx context.Context, levels uint16) error {
	q.levels = levels
	v := levels&q.out | ^q.out // inputs are ones
	b := []byte{byte(v), byte(v >> 8)}
	return q.d.Write(ctx, b[:q.ports]...)
}

// PCF8574 has 8 pins without registers. SCPS068 section 8.3.
func PCF8574(b *bus.Buses) drivers.Driver {
	return expanderDriver(b, "pcf8574", "NXP/TI PCF8574, PCF8574A: 8 inputs and outputs", append(span(0x20, 0x27), span(0x38, 0x3f)...), pinNames("P", 8), false,
		func(d *bus.Dev) expander { return &quasi{d: d, ports: 1} })
}

// PCF8575 has 16. SCPS121.
func PCF8575(b *bus.Buses) drivers.Driver {
	names := append(pinNames("P0", 8), pinNames("P1", 8)...)
	return expanderDriver(b, "pcf8575", "NXP/TI PCF8575: 16 inputs and outputs", span(0x20, 0x27), names, false,
		func(d *bus.Dev) expander { return &quasi{d: d, ports: 2} })
}
