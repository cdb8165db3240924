package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sensorgate/drivers"
)

type w1SwitchOptions struct {
	ID string `toml:"id" required:"true" example:"\"29-00000012a3b4\"" doc:"The id of the chip as in /sys/bus/w1/devices: \"29-00000012a3b4\" or \"3a-0000001a2b3c\"."`
}

// Check implements drivers.Checker.
func (o *w1SwitchOptions) Check() error {
	return checkW1(o.ID, func(f string) bool { return w1Switches[f].names != nil }, "29 (DS2408) or 3a (DS2413)", "w1")
}

// Claims implements drivers.Claimer.
func (o *w1SwitchOptions) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "w1", ID: o.ID, Key: "id"}}
}

// w1Pin is one of the user's channels. A pin is pulled to ground or released: on is at ground,
// unless active is high.
type w1Pin struct {
	Pin      string      `toml:"pin" required:"true" example:"\"A\"" doc:"The pin: P0 to P7 of a DS2408, A or B of a DS2413."`
	Out      bool        `toml:"out" example:"true" doc:"An output, that takes on and off on …/set."`
	Active   string      `toml:"active" example:"\"high\"" doc:"What is on: low is at ground (default), high is released."`
	Start    string      `toml:"start" example:"\"on\"" doc:"The state of an output when it is opened, and after a fault of the chip: on or off."`
	Exit     string      `toml:"exit" example:"\"off\"" doc:"The state of an output when the gateway stops: on or off; default: as start."`
	Failsafe *w1Failsafe `toml:"failsafe" example:"{ after = \"2m\", state = \"off\" }" doc:"The state of an output to take when nobody has sent a command for some time."`
}

// w1Failsafe is what an output does when its controller is silent.
type w1Failsafe struct {
	After time.Duration `toml:"after" required:"true" example:"\"2m\"" doc:"How long there must be no command."`
	State string        `toml:"state" required:"true" example:"\"off\"" doc:"The state to take: on or off."`
}

// Check implements drivers.Checker.
func (o *w1Pin) Check() error {
	var errs []error
	word := func(key, found, one, other string) {
		if found != one && found != other {
			errs = append(errs, &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %q", found), Expected: one + " or " + other})
		}
	}
	if !slices.Contains(w1Switches["29"].names, o.Pin) && !slices.Contains(w1Switches["3a"].names, o.Pin) {
		errs = append(errs, &drivers.KeyError{Key: "pin", Problem: fmt.Sprintf("found %q", o.Pin), Expected: "P0 to P7, or A or B"})
	}
	word("active", o.Active, "low", "high")
	word("start", o.Start, "on", "off")
	if o.Exit != "" {
		word("exit", o.Exit, "on", "off")
	}
	if f := o.Failsafe; f != nil {
		if word("failsafe.state", f.State, "on", "off"); f.After <= 0 {
			errs = append(errs, &drivers.KeyError{Key: "failsafe.after", Problem: "must be longer than nothing", Try: `after = "2m"`})
		}
	}
	return errors.Join(errs...)
}

// Outputs implements drivers.Outputter.
func (o *w1Pin) Outputs() []drivers.Channel {
	return []drivers.Channel{{Kind: drivers.State, Writable: o.Out, Values: drivers.Booleans()}}
}

// grounded is whether a state means that the pin is pulled to ground.
func (o *w1Pin) grounded(state string) bool { return (state == "on") == (o.Active == "low") }

// w1SwitchChip is a chip with pins, which are bits.
type w1SwitchChip struct {
	names []string
	// read returns the pins at ground, and those that the chip itself pulls there.
	read func(read func(attr string) (byte, error)) (low, pulled byte, err error)
}

// w1Switches are the families of the kernel's w1_ds2408 and w1_ds2413.
var w1Switches = map[string]w1SwitchChip{
	"29": {[]string{"P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7"}, readDS2408},
	"3a": {[]string{"A", "B"}, readDS2413},
}

var errNobody = fmt.Errorf("%w: reads only zeros or only ones (the data wire shorted?)", drivers.ErrNoAnswer)

// readDS2408: state and output have a bit a pin, which is zero at ground, and no checksum: bits
// 4 to 6 of the third register are always zero, which they are not where nobody answers.
// w1_ds2408.c; DS2408 data sheet, "Control/status register".
func readDS2408(read func(string) (byte, error)) (low, pulled byte, err error) {
	var b [3]byte
	for i, attr := range []string{"state", "output", "status_control"} {
		if b[i], err = read(attr); err != nil {
			return 0, 0, err
		}
	}
	if b[2]&0x70 != 0 || b == [3]byte{} {
		return 0, 0, errNobody
	}
	return ^b[0], ^b[1], nil
}

// readDS2413: the pins are bits 0 and 2, what the chip does with them bits 1 and 3, and the
// upper half is the lower one the other way round. Documentation/w1/slaves/w1_ds2413.
func readDS2413(read func(string) (byte, error)) (low, pulled byte, err error) {
	b, err := read("state")
	if err != nil {
		return 0, 0, err
	}
	if b&0x0f != ^b>>4 {
		return 0, 0, errNobody
	}
	return ^(b&1 | b>>1&2) & 3, ^(b>>1&1 | b>>2&2) & 3, nil
}

// w1Switch is the driver of 1-Wire inputs and outputs.
func (s sysfs) w1Switch() drivers.Driver {
	return drivers.Driver{
		Name:           "w1-switch",
		Summary:        "1-Wire inputs and outputs DS2408 and DS2413 through the kernel",
		Every:          2 * time.Second,
		Options:        func() any { return &w1SwitchOptions{} },
		ChannelOptions: func() any { return &w1Pin{Active: "low", Start: "off"} },
		Open: func(ctx context.Context, config drivers.DeviceConfig) (any, error) {
			d, err := s.newSwitch(config)
			if err != nil {
				return nil, err
			}
			if err := d.begin(ctx); err != nil {
				return nil, d.named(err)
			}
			if d.outputs == 0 {
				return d, nil
			}
			return switching{d}, nil
		},
	}
}

// w1SwitchDevice is one chip.
type w1SwitchDevice struct {
	id    string
	root  sysfs
	files *files
	chip  w1SwitchChip
	pins  []*w1SwitchPin
	lock  chan struct{} // 1 deep: a command may come while a poll runs

	outputs byte // bits that are outputs
	pulled  byte // those of them that are at ground, as last set
}

type w1SwitchPin struct {
	*w1Pin
	name      string
	bit       byte
	commanded time.Time // last, or when it was opened
	failed    bool      // safe: nobody has sent a command
}

var _ drivers.Poller = (*w1SwitchDevice)(nil)

// switching is one with outputs.
type switching struct{ *w1SwitchDevice }

var (
	_ drivers.Commander = switching{}
	_ io.Closer         = switching{}
)

func (s sysfs) newSwitch(config drivers.DeviceConfig) (*w1SwitchDevice, error) {
	id := config.Options.(*w1SwitchOptions).ID
	d := &w1SwitchDevice{id: id, root: s, files: newFiles(), chip: w1Switches[id[:2]], lock: make(chan struct{}, 1)}
	if len(config.Channels) == 0 {
		return nil, fmt.Errorf("no channels (try: door = { pin = %q })", d.chip.names[0])
	}
	seen := byte(0)
	for _, ch := range config.Channels {
		o := ch.Options.(*w1Pin)
		n := slices.Index(d.chip.names, o.Pin)
		if n < 0 {
			return nil, &drivers.KeyError{Key: "channels." + ch.Name + ".pin", Problem: fmt.Sprintf("found %q", o.Pin), Expected: strings.Join(d.chip.names, ", ")}
		}
		p := &w1SwitchPin{w1Pin: o, name: ch.Name, bit: 1 << n, commanded: time.Now()}
		if seen&p.bit != 0 {
			return nil, &drivers.KeyError{Key: "channels." + ch.Name + ".pin", Problem: o.Pin + " is used twice"}
		}
		seen |= p.bit
		if o.Out {
			d.outputs |= p.bit
		}
		d.pins = append(d.pins, p)
	}
	return d, nil
}

// begin puts the outputs where they start. A chip without outputs is not written to: only root
// may.
func (d *w1SwitchDevice) begin(ctx context.Context) error {
	if d.outputs == 0 {
		_, err := d.root.w1Dir(d.id)
		return err
	}
	return d.set(ctx, d.states(func(p *w1SwitchPin) string { return p.Start }))
}

// states is what is pulled to ground where each output has the state that of returns.
func (d *w1SwitchDevice) states(of func(*w1SwitchPin) string) (pulled byte) {
	for _, p := range d.pins {
		if p.Out && p.grounded(of(p)) {
			pulled |= p.bit
		}
	}
	return pulled
}

// set pulls pins to ground, and releases the others of the chip.
func (d *w1SwitchDevice) set(ctx context.Context, pulled byte) error {
	dir, err := d.root.w1Dir(d.id)
	if err != nil {
		return err
	}
	err = d.files.write(ctx, filepath.Join(dir, "output"), ^pulled)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("only root may switch it: %w (try: the udev rule in docs/hardware.md)", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the service may not write there: %w (try: ReadWritePaths= as in docs/hardware.md)", err)
	case err == nil:
		d.pulled = pulled
	}
	return err
}

func (d *w1SwitchDevice) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("w1 chip %s: %w", d.id, err)
}

// read returns the pins at ground. What the chip itself does must be what was set; if not, it
// lost its power, and the outputs are put where they start.
func (d *w1SwitchDevice) read(ctx context.Context) (low byte, err error) {
	dir, err := d.root.w1Dir(d.id)
	if err != nil {
		return 0, err
	}
	low, pulled, err := d.chip.read(func(attr string) (byte, error) {
		b, err := d.files.bytes(ctx, filepath.Join(dir, attr))
		if err == nil && len(b) != 1 {
			err = fmt.Errorf("%w: %s has %d bytes, expected 1", drivers.ErrNoAnswer, attr, len(b))
		}
		if err != nil {
			return 0, err
		}
		return b[0], nil
	})
	if err != nil {
		return 0, err
	}
	var named byte
	for _, p := range d.pins {
		named |= p.bit
	}
	switch {
	case pulled&named == d.pulled:
		return low, nil
	case d.outputs == 0:
		return 0, errors.New("a pin is pulled to ground by the chip itself (another program uses it as an output?)")
	}
	err = errors.New("its outputs are not as they were set (its supply? another program?); they are put where they start")
	for _, p := range d.pins {
		p.commanded, p.failed = time.Now(), false
	}
	return 0, errors.Join(err, d.set(ctx, d.states(func(p *w1SwitchPin) string { return p.Start })))
}

// locked runs f while nobody else talks to the chip.
func (d *w1SwitchDevice) locked(ctx context.Context, f func() error) error {
	select {
	case d.lock <- struct{}{}:
		defer func() { <-d.lock }()
		return d.named(f())
	case <-ctx.Done():
		return d.named(ctx.Err())
	}
}

// Poll implements drivers.Poller. It is also when a silent controller is noticed.
func (d *w1SwitchDevice) Poll(ctx context.Context) (rs []drivers.Reading, err error) {
	err = d.locked(ctx, func() error {
		low, err := d.read(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		pulled := d.pulled
		for _, p := range d.pins {
			if f := p.Failsafe; p.Out && f != nil && !p.failed && now.Sub(p.commanded) >= f.After {
				pulled, p.failed = p.with(pulled, f.State), true
			}
		}
		if pulled != d.pulled {
			if err := d.set(ctx, pulled); err != nil {
				return err
			}
		}
		for _, p := range d.pins {
			grounded := low&p.bit != 0
			if p.Out {
				grounded = d.pulled&p.bit != 0
			}
			rs = append(rs, drivers.Reading{Channel: p.name, Value: drivers.Bool(grounded == p.grounded("on")), Time: now})
		}
		return nil
	})
	return rs, err
}

// with is pulled with this pin in a state.
func (p *w1SwitchPin) with(pulled byte, state string) byte {
	if p.grounded(state) {
		return pulled | p.bit
	}
	return pulled &^ p.bit
}

// Command implements drivers.Commander.
func (d switching) Command(ctx context.Context, cmd drivers.Command) error {
	i := slices.IndexFunc(d.pins, func(p *w1SwitchPin) bool { return p.name == cmd.Channel && p.Out })
	if i < 0 {
		return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
	}
	on, err := cmd.Bool()
	if err != nil {
		return err
	}
	p, state := d.pins[i], map[bool]string{true: "on", false: "off"}[on]
	return d.locked(ctx, func() error {
		// It may have lost its power since the last poll: the others are then not what we think.
		if _, err := d.read(ctx); err != nil {
			return err
		}
		if err := d.set(ctx, p.with(d.pulled, state)); err != nil {
			return err
		}
		p.commanded, p.failed = time.Now(), false
		low, err := d.read(ctx)
		if err == nil && d.pulled&p.bit != 0 && low&p.bit == 0 {
			err = errors.New("the pin is not at ground (overloaded?)")
		}
		return err
	})
}

// Close implements io.Closer: the outputs take the state of exit.
func (d switching) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return d.locked(ctx, func() error {
		return d.set(ctx, d.states(func(p *w1SwitchPin) string {
			if p.Exit != "" {
				return p.Exit
			}
			return p.Start
		}))
	})
}
