package kernel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"sensorgate/drivers"
)

// deviceOptions name a device; its number may change and is not asked for.
type deviceOptions struct {
	Name string `toml:"name" required:"true" example:"\"adc\"" doc:"What the kernel calls the device: the content of the file name in its folder."`
	At   string `toml:"at" example:"\"1-0048\"" doc:"The parent device, like \"1-0048\", if several devices have that name."`

	wrong map[string]string // what the kernel's drivers of these names get wrong
}

// Check implements drivers.Checker.
func (o *deviceOptions) Check() error {
	if why := o.wrong[chipName(o.Name)]; why != "" {
		return &drivers.KeyError{Key: "name", Problem: fmt.Sprintf("the kernel's driver %s %s", o.Name, why)}
	}
	return nil
}

// Claims implements drivers.Claimer. Two of our devices may read one of the kernel's.
func (o *deviceOptions) Claims() []drivers.Claim { return nil }

// channelOptions name an attribute of the device.
type channelOptions struct {
	Input string `toml:"input" example:"\"in_temp\"" doc:"The attribute without its ending; default: by the name of the channel."`

	measures func(input string) (quantity, bool)
}

// Outputs implements drivers.Outputter: the unit, where it follows from the input.
func (o *channelOptions) Outputs() []drivers.Channel {
	q, _ := o.measures(o.Input)
	return []drivers.Channel{{Unit: q.unit}}
}

// quantity is what an attribute measures: the kernel's unit and ours.
type quantity struct {
	unit  string
	scale float64
	among span // of values that there can be, in our unit; nil: any
}

// span is the lowest and the highest value.
type span *[2]float64

func between(low, high float64) span { return &[2]float64{low, high} }

// positive is what cannot be below zero.
var positive = between(0, math.Inf(1))

// attribute is one channel of an open device.
type attribute struct {
	channel string
	input   string
	unit    string
	scale   float64
	among   span
}

// source is an open device of the kernel's.
type source struct {
	root   sysfs
	class  class
	opts   *deviceOptions
	attrs  []attribute
	files  *files
	tries  int // per reading, for drivers that often fail
	pause  time.Duration
	number func(ctx context.Context, f *files, dir, input string) (float64, error)
}

// Outputs implements drivers.Outputter: what each channel measures is known for certain
// when the device is open.
func (s *source) Outputs() []drivers.Channel {
	var all []drivers.Channel
	for _, a := range s.attrs {
		if a.among != nil {
			all = append(all, drivers.Channel{Name: a.channel, Unit: a.unit, Min: a.among[0], Max: a.among[1], HasRange: true})
		}
	}
	return all
}

// Poll implements drivers.Poller. The device is looked up each time, as it may have come
// back under another number.
func (s *source) Poll(ctx context.Context) ([]drivers.Reading, error) {
	n, err := s.root.find(s.class, s.opts.Name, s.opts.At)
	if err != nil {
		return nil, err
	}
	var rs []drivers.Reading
	var errs []error
	for _, a := range s.attrs {
		v, err := s.ask(ctx, n.dir, a.input)
		if err != nil {
			errs = append(errs, &drivers.ChannelError{Channel: a.channel, Err: fmt.Errorf("%s %s, %s: %w", s.class.kind, s.opts.Name, a.input, err)})
			if ctx.Err() != nil {
				break
			}
			continue
		}
		rs = append(rs, drivers.Reading{Channel: a.channel, Unit: a.unit, Value: drivers.Number(drivers.Scale(v, a.scale, 0)), Time: time.Now()})
	}
	return rs, errors.Join(errs...)
}

// ask reads one attribute, again if the sensor did not answer.
func (s *source) ask(ctx context.Context, dir, input string) (v float64, err error) {
	for try := 1; ; try++ {
		v, err = s.number(ctx, s.files, dir, input)
		if err == nil || try >= s.tries || !errors.Is(err, drivers.ErrNoAnswer) {
			return v, err
		}
		if !drivers.Sleep(ctx, s.pause) {
			return 0, err
		}
	}
}

// attributes resolves the user's channels with the quantities of a class.
func attributes(config drivers.DeviceConfig, byName map[string]string, measures func(input string) (quantity, bool)) ([]attribute, error) {
	if len(config.Channels) == 0 {
		return nil, errors.New("no channels (try: [device." + config.Device + ".channels] temperature = {})")
	}
	var all []attribute
	for _, c := range config.Channels {
		input := byName[c.Name]
		if o, ok := c.Options.(*channelOptions); ok && o.Input != "" {
			input = o.Input
		}
		q, ok := measures(input)
		if !ok || strings.ContainsAny(input, "/") {
			return nil, &drivers.KeyError{Key: "channels." + c.Name + ".input", Problem: fmt.Sprintf("found %q", input),
				Expected: "an attribute of the device without its ending, like temp1 or in_temp"}
		}
		a := attribute{channel: c.Name, input: input, unit: q.unit, scale: q.scale, among: q.among}
		if c.Unit != "" {
			a.unit = c.Unit
		}
		all = append(all, a)
	}
	return all, nil
}
