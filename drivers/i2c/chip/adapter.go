package chip

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// closeTimeout is how long a chip may take to put its outputs into their safe state.
const closeTimeout = time.Second

// adapter is the device that Runner sees: it opens its chip again after every error.
type adapter struct {
	name string
	open func(context.Context) (Device, error)

	lock chan struct{} // 1 deep; guards chip: a command may come while a poll runs
	chip Device        // nil after an error
}

// commanding is an adapter whose chip takes commands.
type commanding struct{ *adapter }

// started opens the chip for the first time, so that a chip that is not there is found
// at the start and not at the first interval.
func (a *adapter) started(ctx context.Context) (any, error) {
	dev, err := a.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	a.chip = dev
	if _, ok := dev.(checked).Device.(Commander); ok {
		return commanding{a}, nil
	}
	return a, nil
}

// Poll implements drivers.Poller.
func (a *adapter) Poll(ctx context.Context) (rs []drivers.Reading, err error) {
	err = a.with(ctx, func(d Device) error {
		rs, err = d.Poll(ctx)
		return err
	})
	return rs, err
}

// Command implements drivers.Commander.
func (a commanding) Command(ctx context.Context, c drivers.Command) error {
	return a.with(ctx, func(d Device) error {
		return d.(checked).Device.(Commander).Command(ctx, c)
	})
}

// Close implements io.Closer. Outputs go to their safe state, if the chip still answers.
func (a commanding) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return a.with(ctx, func(d Device) error {
		return d.(checked).Device.(Commander).Close(ctx)
	})
}

// with lets f use the open chip, and has the chip opened again next time if that failed.
func (a *adapter) with(ctx context.Context, f func(Device) error) error {
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

// checked adds the chip's place to its errors, and lets no number pass that cannot be right.
type checked struct {
	Device
	dev    *bus.Dev
	ranges map[string]drivers.Channel
}

func (p checked) Poll(ctx context.Context) ([]drivers.Reading, error) {
	rs, err := p.Device.Poll(ctx)
	good := rs[:0]
	for _, r := range rs {
		if bad := Implausible(r, p.ranges[r.Channel]); bad != nil {
			// One number out of range makes all that came with it doubtful.
			return nil, p.dev.At(bad)
		}
		if r.Value.Valid() {
			good = append(good, r)
		}
	}
	return good, p.dev.At(err)
}

// numbers is the Device of a chip that returns a list of numbers.
type numbers struct {
	channels []drivers.Channel
	read     Read
}

func (n numbers) Poll(ctx context.Context) ([]drivers.Reading, error) {
	values, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	return Readings(n.channels, values), nil
}

func ranges(channels []drivers.Channel) map[string]drivers.Channel {
	m := make(map[string]drivers.Channel, len(channels))
	for _, c := range channels {
		m[c.Name] = c
	}
	return m
}

// Implausible says why r cannot be right, nil if it can. An infinite value has become no
// value.
func Implausible(r drivers.Reading, c drivers.Channel) error {
	v, isNumber := r.Value.Number()
	if !isNumber || c.Min == 0 && c.Max == 0 || v >= c.Min && v <= c.Max {
		return nil
	}
	return fmt.Errorf("%s of %.6g %s is out of range (%g to %g)", r.Channel, v, c.Unit, c.Min, c.Max)
}
