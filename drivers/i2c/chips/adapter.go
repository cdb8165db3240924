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
)

// chip is everything about a chip that is its own. O is a pointer to its options, a
// struct that embeds At.
type chip[O located] struct {
	name     string
	summary  string
	addrs    []uint16
	every    time.Duration
	channels []drivers.Channel
	options  func() O // with their defaults
	// channelOptions is for chips whose channels the user names; see drivers.Driver.
	channelOptions func() any
	// open sets the chip up. It is called again after any error, so it must not rely on
	// what it did before.
	open func(ctx context.Context, d *bus.Dev, o O) (read, error)
	// device is instead of open for chips that give more than a list of numbers.
	device func(ctx context.Context, d *bus.Dev, o O, s site) (device, error)
	// sample is for chips that have to be asked at a rate of their own, such as gas
	// sensors; what they say is reported at the device's interval.
	sample time.Duration
}

// site is where a chip is opened. keep survives reopening after an error, but no restart.
type site struct {
	drivers.DeviceConfig
	keep map[string]any
}

// closeTimeout is how long a chip may take to put its outputs into their safe state.
const closeTimeout = time.Second

// read asks the chip once and gives its channels' values in their order. NaN is no
// value this time, for a chip that has nothing new.
type read func(context.Context) ([]float64, error)

// device is an open chip.
type device interface {
	poll(context.Context) ([]drivers.Reading, error)
}

// commander is a device that takes orders. close leaves its outputs in their safe state.
type commander interface {
	command(context.Context, drivers.Command) error
	close(context.Context) error
}

// driver makes the entry for the table of hardware.
func (c chip[O]) driver(b *bus.Buses) drivers.Driver {
	return drivers.Driver{
		Name:           c.name,
		Summary:        c.summary,
		Every:          c.every,
		Channels:       c.channels,
		ChannelOptions: c.channelOptions,
		Options: func() any {
			o := c.options()
			o.at().name, o.at().addrs = c.name, c.addrs
			return o
		},
		Open: func(ctx context.Context, ds drivers.DeviceConfig) (any, error) {
			o, ok := ds.Options.(O)
			if !ok {
				return nil, fmt.Errorf("%s: options of type %T", c.name, ds.Options)
			}
			s := site{ds, map[string]any{}}
			a := &adapter{name: c.name, lock: make(chan struct{}, 1)}
			a.open = func(ctx context.Context) (device, error) {
				d, err := b.Dev(o.at().I2C)
				if err != nil {
					return nil, err
				}
				dev, err := c.start(ctx, d, o, s)
				if err != nil {
					return nil, d.At(err)
				}
				return placed{dev, d, ranges(c.channels)}, nil
			}
			dev, err := a.started(ctx)
			if err == nil && c.sample > 0 {
				return sampling{a, c.sample, ds.Every}, nil
			}
			return dev, err
		},
	}
}

// start opens the chip in whichever of the two ways it has.
func (c chip[O]) start(ctx context.Context, d *bus.Dev, o O, s site) (device, error) {
	if c.device != nil {
		return c.device(ctx, d, o, s)
	}
	r, err := c.open(ctx, d, o)
	if err != nil {
		return nil, err
	}
	return numbers{c.channels, r}, nil
}

// adapter is the device that Runner sees: it opens its chip again after every error.
type adapter struct {
	name string
	open func(context.Context) (device, error)

	lock chan struct{} // 1 deep; guards chip: a command may come while a poll runs
	chip device        // nil after an error
}

// commanding is an adapter whose chip takes orders.
type commanding struct{ *adapter }

// started opens the chip for the first time, so that a chip that is not there is found
// at the start and not at the first interval.
func (a *adapter) started(ctx context.Context) (any, error) {
	dev, err := a.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	a.chip = dev
	if _, ok := dev.(placed).device.(commander); ok {
		return commanding{a}, nil
	}
	return a, nil
}

// Poll implements drivers.Poller.
func (a *adapter) Poll(ctx context.Context) (rs []drivers.Reading, err error) {
	err = a.with(ctx, func(d device) error {
		rs, err = d.poll(ctx)
		return err
	})
	return rs, err
}

// Command implements drivers.Commander.
func (a commanding) Command(ctx context.Context, c drivers.Command) error {
	return a.with(ctx, func(d device) error {
		return d.(placed).device.(commander).command(ctx, c)
	})
}

// Close implements io.Closer. Outputs go to their safe state, if the chip still answers.
func (a commanding) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return a.with(ctx, func(d device) error {
		return d.(placed).device.(commander).close(ctx)
	})
}

// with has f use the open chip, and has the chip opened again next time if that failed.
func (a *adapter) with(ctx context.Context, f func(device) error) error {
	select {
	case a.lock <- struct{}{}:
		defer func() { <-a.lock }()
	case <-ctx.Done():
		return fmt.Errorf("%s: busy: %w", a.name, ctx.Err())
	}
	if a.chip == nil {
		dev, err := a.open(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		a.chip = dev
	}
	if err := f(a.chip); err != nil {
		if !isRefusal(err) {
			a.chip = nil
		}
		return fmt.Errorf("%s: %w", a.name, err)
	}
	return nil
}

// placed adds the chip's place to its errors, and lets no number pass that cannot be.
type placed struct {
	device
	dev    *bus.Dev
	ranges map[string]drivers.Channel
}

func (p placed) poll(ctx context.Context) ([]drivers.Reading, error) {
	rs, err := p.device.poll(ctx)
	good := rs[:0]
	for _, r := range rs {
		if bad := implausible(r, p.ranges[r.Channel]); bad != nil {
			// One number out of range makes all that came with it doubtful.
			return nil, p.dev.At(bad)
		}
		if r.Value.Valid() {
			good = append(good, r)
		}
	}
	return good, p.dev.At(err)
}

// numbers is the device of a chip that gives a list of numbers.
type numbers struct {
	channels []drivers.Channel
	read     read
}

func (n numbers) poll(ctx context.Context) ([]drivers.Reading, error) {
	values, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	rs := make([]drivers.Reading, 0, len(values))
	now := time.Now()
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		c := n.channels[i]
		rs = append(rs, drivers.Reading{Channel: c.Name, Unit: c.Unit, Value: drivers.Number(v), Time: now})
	}
	return rs, nil
}

func ranges(channels []drivers.Channel) map[string]drivers.Channel {
	m := make(map[string]drivers.Channel, len(channels))
	for _, c := range channels {
		m[c.Name] = c
	}
	return m
}

// implausible says why r cannot be right. An infinite value has become no value.
func implausible(r drivers.Reading, c drivers.Channel) error {
	v, isNumber := r.Value.Number()
	if !isNumber || c.Min == 0 && c.Max == 0 || v >= c.Min && v <= c.Max {
		return nil
	}
	return fmt.Errorf("%s of %.6g %s is out of range (%g to %g)", r.Channel, v, c.Unit, c.Min, c.Max)
}

// At is the option that every chip has.
type At struct {
	I2C bus.Addr `toml:"i2c" required:"true" doc:"bus:address, or bus:multiplexer/channel:address"`

	name  string   // of the driver
	addrs []uint16 // that the chip can have
}

// located is a pointer to options that embed At.
type located interface{ at() *At }

func (a *At) at() *At { return a }

// plain is for chips without options of their own.
func plain() *At { return &At{} }

// Check implements drivers.Checker.
func (a *At) Check() error {
	if len(a.addrs) == 0 || slices.Contains(a.addrs, a.I2C.Chip) {
		return nil
	}
	var have []string
	for _, x := range a.addrs {
		have = append(have, fmt.Sprintf("0x%02x", x))
	}
	try := a.I2C
	try.Chip = a.addrs[0]
	return &drivers.KeyError{
		Key:      "i2c",
		Problem:  fmt.Sprintf("0x%02x cannot be the address of %s", a.I2C.Chip, a.name),
		Expected: strings.Join(have, ", "),
		Try:      fmt.Sprintf("i2c = %q", try),
	}
}

// Addresses are those that the chip can have; none: any.
func (a *At) Addresses() []uint16 { return a.addrs }

// Claims implements drivers.Claimer. Behind a multiplexer others may share its address,
// and the chip's own on the wires before it, but no chip may sit there: it would answer
// too while the channel is through.
func (a *At) Claims() []drivers.Claim {
	claims := []drivers.Claim{{Kind: "i2c", ID: a.I2C.String(), Key: "i2c"}}
	for i, h := range a.I2C.Hops {
		before := bus.Addr{Bus: a.I2C.Bus, Hops: a.I2C.Hops[:i]}
		for _, addr := range []uint16{h.Mux, a.I2C.Chip} {
			before.Chip = addr
			claims = append(claims, drivers.Claim{Kind: "i2c", ID: before.String(), Key: "i2c", Shared: true})
		}
	}
	return claims
}
