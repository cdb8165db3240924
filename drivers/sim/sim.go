package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"sensorgate/drivers"
)

// Driver is the entry in the table of supported hardware.
func Driver() drivers.Driver {
	return drivers.Driver{
		Name:           "sim",
		Summary:        "made-up device: sines, walks, counters, switches, outputs; can fail on purpose",
		Every:          time.Second,
		Options:        func() any { return new(Options) },
		ChannelOptions: defaultChannel,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			return open(s)
		},
	}
}

// device is one made-up device.
type device struct {
	name string
	opts Options
	born time.Time

	mu       sync.Mutex // commands come while Poll runs
	channels []*channel
}

type channel struct {
	name, unit string
	opts       ChannelOptions
	random     *rand.Rand
	value      float64 // of a walk, setpoint or output
}

func open(s drivers.DeviceConfig) (*device, error) {
	d := &device{name: s.Device, born: time.Now()}
	if o, ok := s.Options.(*Options); ok && o != nil {
		d.opts = *o
	}
	for _, cc := range s.Channels {
		o, ok := cc.Options.(*ChannelOptions)
		if !ok {
			return nil, fmt.Errorf("channel %s has no options of sim", cc.Name)
		}
		c := &channel{name: cc.Name, unit: cc.Unit, opts: *o, value: o.From}
		c.random = rand.New(rand.NewPCG(d.opts.Seed, hash(s.Device+"/"+cc.Name)))
		if c.opts.Step == 0 {
			c.opts.Step = (c.opts.To - c.opts.From) / 50
		}
		if c.opts.Shape == Walk {
			c.value = (c.opts.From + c.opts.To) / 2
		}
		d.channels = append(d.channels, c)
	}
	if d.opts.Absent.during(0) {
		return nil, fmt.Errorf("sim: %w", drivers.ErrAbsent)
	}
	return d, nil
}

// Poll returns one reading of every channel, or the trouble that was asked for.
func (d *device) Poll(ctx context.Context) ([]drivers.Reading, error) {
	age := time.Since(d.born)
	switch {
	case d.opts.Absent.during(age):
		return nil, fmt.Errorf("sim: %w (because of absent)", drivers.ErrAbsent)
	case d.opts.Hang.during(age):
		<-ctx.Done()
		return nil, fmt.Errorf("sim: %w (because of hang)", drivers.ErrNoAnswer)
	case d.opts.Fail.during(age):
		return nil, errors.New("sim: checksum wrong (because of fail)")
	}
	if !drivers.Sleep(ctx, d.opts.Answer) {
		return nil, fmt.Errorf("sim: %w", drivers.ErrNoAnswer)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	rs := make([]drivers.Reading, 0, len(d.channels))
	for _, c := range d.channels {
		rs = append(rs, drivers.Reading{Channel: c.name, Unit: c.unit, Time: now, Value: c.next(now.Sub(d.born))})
	}
	return rs, nil
}

// next is the channel's value at age, the time since the device was made.
func (c *channel) next(age time.Duration) drivers.Value {
	o := &c.opts
	phase := float64(age%o.Period) / float64(o.Period)
	switch o.Shape {
	case Walk:
		c.value += (2*c.random.Float64() - 1) * o.Step
		c.value = min(max(c.value, o.From), o.To)
		return drivers.Number(round(c.value))
	case Counter:
		return drivers.Number(math.Floor(o.From + o.Step*age.Seconds()))
	case Switch:
		return drivers.Bool(phase >= 0.5)
	case Output:
		return drivers.Bool(c.value != o.From)
	case Setpoint:
		return drivers.Number(c.value)
	default: // Sine
		middle, swing := (o.From+o.To)/2, (o.To-o.From)/2
		return drivers.Number(round(middle + swing*math.Sin(2*math.Pi*phase)))
	}
}

// Command sets an output or a setpoint.
func (d *device) Command(_ context.Context, cmd drivers.Command) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.channels {
		if c.name == cmd.Channel {
			return c.set(cmd)
		}
	}
	return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
}

func (c *channel) set(cmd drivers.Command) error {
	switch c.opts.Shape {
	case Output:
		on, err := cmd.Bool()
		if err != nil {
			return err
		}
		c.value = c.opts.From
		if on {
			c.value = c.opts.To
		}
		return nil
	case Setpoint:
		v, err := cmd.Number()
		if err != nil {
			return err
		}
		if v < c.opts.From || v > c.opts.To {
			return fmt.Errorf("%w: %v is outside %v to %v", drivers.ErrRefused, v, c.opts.From, c.opts.To)
		}
		c.value = v
		return nil
	default:
		return fmt.Errorf("%s, a %s: %w", c.name, c.opts.Shape, drivers.ErrNoCommands)
	}
}

// round keeps three digits behind the point, as a sensor would.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

func hash(s string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, s)
	return h.Sum64()
}
