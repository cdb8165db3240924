package adapter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sensorgate/drivers"
)

// closeTimeout is how long a chip may take to put its outputs into their safe state.
const closeTimeout = time.Second

// Spec is what must be known of a chip.
type Spec struct {
	Name     string // of the driver
	Channels []drivers.Channel
	// Needs names, for a channel, those that it is computed with: where they are wrong, so
	// is it.
	Needs map[string][]string
	// Sample is for chips that must be asked at a rate of their own; 0: at the device's.
	Sample time.Duration
	// Interrupt has the chip asked when its line says so; nil: at the device's interval.
	Interrupt *Interrupted
}

// Read asks a chip once and returns its channels' values in their order. NaN is no value
// this time, for a chip that has nothing new. An error costs all values, but for a
// *drivers.ChannelError (or several, joined), which costs that channel: see Fault.
type Read func(context.Context) ([]float64, error)

// Device is an open chip. Poll returns soon after ctx ends.
type Device interface {
	Poll(context.Context) ([]drivers.Reading, error)
}

// Commander is a Device that takes commands. Close leaves its outputs in their safe state.
type Commander interface {
	Command(context.Context, drivers.Command) error
	Close(context.Context) error
}

// Place is where a chip is. At adds it to an error that has none.
type Place interface{ At(error) error }

// Open opens a chip and returns the device for drivers.Driver.Open. open is called now, so
// that a chip that is not there is found at the start, and again after every error.
func Open(ctx context.Context, s Spec, config drivers.DeviceConfig, open func(context.Context) (Device, Place, error)) (any, error) {
	a := &adapter{name: s.Name, lock: make(chan struct{}, 1)}
	a.open = func(ctx context.Context) (Device, error) {
		dev, place, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return newChecked(s, config, dev, place), nil
	}
	dev, err := a.started(ctx)
	switch commander, ok := dev.(commanding); {
	case err != nil:
		return nil, err
	case s.Sample > 0:
		return sampled{a, s.Sample, config.Every}, nil
	case s.Interrupt == nil:
		return dev, nil
	case ok:
		return interruptedCommander{interrupted{a, *s.Interrupt, config.Every}, commander}, nil
	}
	return interrupted{a, *s.Interrupt, config.Every}, nil
}

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
	err = a.with(ctx, func(d Device) (bool, error) {
		rs, err = d.Poll(ctx)
		// A chip of which some channels are right is set up. Opening it again would cost the
		// others their readings.
		return len(rs) > 0, err
	})
	return rs, err
}

// Command implements drivers.Commander.
func (a commanding) Command(ctx context.Context, c drivers.Command) error {
	return a.with(ctx, func(d Device) (bool, error) {
		err := d.(checked).Device.(Commander).Command(ctx, c)
		return isRefusal(err), err
	})
}

// Close implements io.Closer. Outputs go to their safe state, if the chip still answers.
func (a commanding) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return a.with(ctx, func(d Device) (bool, error) {
		return false, d.(checked).Device.(Commander).Close(ctx)
	})
}

// with lets f use the open chip, and has the chip opened again next time if that failed;
// keep is to leave it open all the same.
func (a *adapter) with(ctx context.Context, f func(Device) (keep bool, err error)) error {
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
	keep, err := f(a.chip)
	if err == nil {
		return nil
	}
	if !keep {
		a.chip = nil
	}
	return fmt.Errorf("%s: %w", a.name, err)
}

// checked adds the chip's place to its errors, and lets no number pass that cannot be right.
type checked struct {
	Device
	place  Place
	ranges drivers.Ranges

	channels []string // those that need others, in their order
	needs    map[string][]string
}

func newChecked(s Spec, config drivers.DeviceConfig, dev Device, place Place) checked {
	k := checked{Device: dev, place: place, needs: s.Needs,
		ranges: drivers.RangesOf(drivers.Driver{Channels: s.Channels}, config, dev)}
	for _, c := range s.Channels {
		if len(s.Needs[c.Name]) > 0 {
			k.channels = append(k.channels, c.Name)
		}
	}
	return k
}

// Poll returns the readings that are right. A fault of one channel costs that one, and
// those that are computed with it, and no other; any other fault costs all.
func (p checked) Poll(ctx context.Context) ([]drivers.Reading, error) {
	rs, err := p.Device.Poll(ctx)
	faults, single := drivers.ChannelFaults(err)
	if !single {
		return nil, p.place.At(err)
	}
	errs := []error{err}
	lose := func(channel string, why error) {
		faults[channel] = why
		errs = append(errs, &drivers.ChannelError{Channel: channel, Err: why})
	}
	for _, r := range rs {
		if !r.Value.Valid() {
			lose(r.Channel, errNotFinite)
		} else if bad := p.ranges[r.Channel].Plausible(r.Value); bad != nil {
			lose(r.Channel, bad)
		}
	}
	for _, channel := range p.channels {
		if need := p.missing(channel, faults); need != "" && faults[channel] == nil {
			lose(channel, fmt.Errorf("is computed with %s, which is wrong", need))
		}
	}
	good := slices.DeleteFunc(rs, func(r drivers.Reading) bool { return faults[r.Channel] != nil })
	return good, p.place.At(JoinErrors(errs...))
}

// missing returns the channel without which this one is worth nothing, "" if none.
func (p checked) missing(channel string, faults map[string]error) string {
	for _, need := range p.needs[channel] {
		if faults[need] != nil {
			return need
		}
	}
	return ""
}

// numbers is the Device of a chip that returns a list of numbers.
type numbers struct {
	channels []drivers.Channel
	read     Read
}

func (n numbers) Poll(ctx context.Context) ([]drivers.Reading, error) {
	values, err := n.read(ctx)
	if _, single := drivers.ChannelFaults(err); !single {
		return nil, err
	}
	return Readings(n.channels, values), err
}

// Numbers makes a Device of a Read.
func Numbers(channels []drivers.Channel, read Read) Device { return numbers{channels, read} }
